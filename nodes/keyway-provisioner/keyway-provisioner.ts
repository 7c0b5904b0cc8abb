import { choosePort } from '../shared/deployed.ts';
import { fail } from '../shared/errors.ts';
import { adminRoute } from '../shared/http.ts';
import { migrate } from '../shared/migrate.ts';
import { deployProvisioner, Provisioner } from '../shared/provisioner.ts';
import { childFor, endProvisioner } from '../shared/provisioner-child.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { defaults, type ProvisionerConfig } from './config.ts';
import { hostName, identityOf, shareFor } from './host.ts';
import { keySourceOf, placeOf } from './place.ts';
import { find, pair, test } from './routes.ts';

export default function register(RED: Red): void {
  function ProvisionerNode(this: RedNode, saved: ProvisionerConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as ProvisionerConfig;
    const { userDir } = RED.settings;
    const name = config.name || 'provisioner';
    const embedded = async (): Promise<string> => {
      const place = placeOf(config, userDir);
      const key = keySourceOf(config, userDir);
      const target = await choosePort(config.port, { _msgid: '' } as Message);
      const settings = { ...place, name: name.slice(0, 64), key, makeKey: 'file' in key };
      return await childFor(this.id, target, settings, (line) => this.log(line));
    };
    const address = config.kind === 'link' ? config.address.trim() : '';
    const provisioner = new Provisioner(this.id, name, address, async () => {
      if (config.kind !== 'link') return shareFor(this.id, await embedded(), { name: hostName() });
      await endProvisioner(this.id);
      if (address === '') {
        throw fail('BAD_FIELD', `The field "address" of the provisioner "${name}" is blank.`, {
          hint: 'Open the provisioner, say where it is reached, and pair it.',
          detail: { field: 'address' },
        });
      }
      const unix = address.startsWith('unix:');
      const identity = unix ? {} : { identity: await identityOf(config, userDir) };
      const pins = config.device.trim() === '' ? [] : [config.device.trim().toLowerCase()];
      return shareFor(this.id, address, { name: hostName(), ...identity, pins, takeover: config.takeover === true });
    });
    const undeploy = deployProvisioner(provisioner);
    // Once the flow is up: what was missed must find the nodes that tell of it.
    const atStart = (): void => provisioner.connect();
    RED.events.once('flows:started', atStart);
    let said = '';
    provisioner.listen({
      onNews: ({ problem }) => {
        const words = problem === null ? '' : `${problem.code}: ${problem.message} ${problem.hint ?? ''}`.trim();
        if (words !== '' && words !== said) this.warn(words);
        said = words;
      },
    });
    this.on('close', (removed: boolean, closed: () => void) => {
      RED.events.off('flows:started', atStart);
      undeploy();
      provisioner
        .close()
        // Deployed again, it goes on working; gone from the flow, it ends.
        .then(() => (removed ? endProvisioner(this.id) : undefined))
        .catch((error: unknown) => this.warn(String(error)))
        .then(closed, closed);
    });
  }
  RED.nodes.registerType('keyway-provisioner', ProvisionerNode);

  adminRoute(RED, 'post', '/keyway/provisioner/test', 'keyway.write', (ask) => test(RED, ask));
  adminRoute(RED, 'post', '/keyway/provisioner/find', 'keyway.write', (ask) => find(RED, ask));
  adminRoute(RED, 'post', '/keyway/provisioner/pair', 'keyway.write', (ask) => pair(RED, ask));
}
