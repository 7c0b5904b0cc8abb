import { codeOf } from '../../lib/errors/index.ts';
import { deployChip } from '../shared/deployed.ts';
import { migrate } from '../shared/migrate.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { VirtualBench } from '../shared/virtual-bench.ts';
import { defaults, migrations, type VirtualChipConfig } from './config.ts';

export default function register(RED: Red): void {
  function VirtualChipNode(this: RedNode, saved: VirtualChipConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults, migrations) as VirtualChipConfig;
    let bench: VirtualBench;
    try {
      bench = new VirtualBench(this.id, config);
    } catch (error) {
      // A config node that cannot be built must not take the flow with it: who uses it is told NO_CHIP.
      this.error(error);
      return;
    }
    const undeploy = deployChip({ id: this.id, name: bench.socket.name, bench });
    const served = bench.serve().catch((error: unknown) => {
      this.error(`${codeOf(error)}: ${error instanceof Error ? error.message : String(error)}`);
    });
    this.on('close', (removed: boolean, closed: () => void) => {
      undeploy();
      void served
        .then(() => bench.close(removed))
        .catch((error: unknown) => this.warn(String(error)))
        .then(closed);
    });
  }
  RED.nodes.registerType('keyway-virtual-chip', VirtualChipNode);
}
