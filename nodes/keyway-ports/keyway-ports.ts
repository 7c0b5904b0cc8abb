import { listPorts, type PortInfo, watchPorts } from '../../lib/link/index.ts';
import { isAwaited } from '../shared/broker.ts';
import { deployedPorts } from '../shared/deployed.ts';
import { fail } from '../shared/errors.ts';
import { onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import { poolById, poolOf } from '../shared/pools.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { defaults, migrations, type PortsConfig } from './config.ts';

/** A port as it is told: what lib/link says, the deployed keyway port that leads to it, the pool that names it. */
type ToldPort = PortInfo & { readonly deployedAs?: string; readonly pool?: string };

export default function register(RED: Red): void {
  function PortsNode(this: RedNode, saved: PortsConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults, migrations) as PortsConfig;
    const inputs = onInput<PortsConfig>({
      red: RED,
      node: this,
      config,
      outputs: 3,
      verb: 'ports',
      inOrder: true,
      run: async (_job, fields) => {
        const match = await fields.text('match');
        if (config.only === 'pool' && poolById(config.pool) === undefined) throw noPool();
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
      // A board that a job lost is no new one: the job goes on with it.
      if (event.type === 'plugged' && isAwaited(event.port)) return;
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
  const pool = poolOf(port);
  return {
    ...port,
    ...(deployed === undefined ? {} : { deployedAs: deployed.name }),
    ...(pool === undefined ? {} : { pool: pool.name }),
  };
}

function isWanted(port: ToldPort, config: PortsConfig, match: string | undefined): boolean {
  if (config.only === 'deployed' && port.deployedAs === undefined) return false;
  if (config.only === 'pool' && !poolById(config.pool)?.allows([port.address, port.stableName], port.usb)) return false;
  return match === undefined || match === '' || JSON.stringify(port).toLowerCase().includes(match.toLowerCase());
}

function noPool(): Error {
  return fail('PORT_NOT_SET', 'The node names no port pool that is deployed.', {
    hint: 'Open the node, choose a port pool and deploy.',
    detail: { field: 'pool' },
  });
}
