import { listPorts, type PortInfo, watchPorts } from '../../lib/link/index.ts';
import { deployedPorts } from '../shared/deployed.ts';
import { onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { defaults, type PortsConfig } from './config.ts';

/** A port as it is told: what lib/link says, and the deployed keyway port that leads to it. */
type ToldPort = PortInfo & { readonly deployedAs?: string };

export default function register(RED: Red): void {
  function PortsNode(this: RedNode, saved: PortsConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as PortsConfig;
    const inputs = onInput<PortsConfig>({
      red: RED,
      node: this,
      config,
      outputs: 3,
      verb: 'ports',
      inOrder: true,
      run: async (_job, fields) => {
        const match = await fields.text('match');
        const ports = (await listPorts()).map(told).filter((port) => isWanted(port, config, match));
        return {
          topic: 'ports/list',
          payload: ports,
          status: RED._('keyway-ports.status.count', { count: `${ports.length}` }),
        };
      },
    });
    if (!config.watch) return;
    const stop = watchPorts((event) => {
      const port = told(event.port);
      // Between messages there is none to evaluate fields for: only a fixed text narrows what is told.
      const match = config.matchType === 'str' ? config.match : undefined;
      if (!isWanted(port, config, match)) return;
      const msg: Partial<Message> = {
        topic: `port/${event.type}`,
        payload: port,
        device: { port: port.deployedAs ?? port.address },
      };
      const plugged = event.type === 'plugged';
      inputs.status.set(plugged ? 'green' : 'grey', plugged ? 'dot' : 'ring', port.name);
      this.send(plugged ? [null, msg, null] : [null, null, msg]);
    });
    inputs.onClose(stop);
  }
  RED.nodes.registerType('keyway-ports', PortsNode);
}

function told(port: PortInfo): ToldPort {
  const deployed = deployedPorts().find((candidate) => {
    try {
      const { address } = candidate.target();
      return address === port.address || address === port.stableName;
    } catch {
      // A port node that leads nowhere leads not here either.
      return false;
    }
  });
  return deployed === undefined ? port : { ...port, deployedAs: deployed.name };
}

function isWanted(port: ToldPort, config: PortsConfig, match: string | undefined): boolean {
  if (config.only === 'deployed' && port.deployedAs === undefined) return false;
  return match === undefined || match === '' || JSON.stringify(port).toLowerCase().includes(match.toLowerCase());
}
