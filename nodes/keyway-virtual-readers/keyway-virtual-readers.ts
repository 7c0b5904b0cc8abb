import { codeOf } from '../../lib/errors/index.ts';
import { migrate } from '../shared/migrate.ts';
import { deployReaders, ReadersBench } from '../shared/osdp-readers.ts';
import type { Red, RedNode } from '../shared/types.ts';
import { defaults, type VirtualReadersConfig } from './config.ts';

export default function register(RED: Red): void {
  function VirtualReadersNode(this: RedNode, saved: VirtualReadersConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as VirtualReadersConfig;
    let bench: ReadersBench;
    try {
      bench = new ReadersBench(this.id, config);
    } catch (error) {
      // A config node that cannot be built must not take the flow with it: who uses it is told so.
      this.error(error);
      return;
    }
    const undeploy = deployReaders({ id: this.id, bench });
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
  RED.nodes.registerType('keyway-virtual-readers', VirtualReadersNode);
}
