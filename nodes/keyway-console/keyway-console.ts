import { codeOf } from '../../lib/errors/index.ts';
import { choosePort, type PortTarget } from '../shared/deployed.ts';
import { Fields } from '../shared/evaluate.ts';
import { onInput } from '../shared/jobs.ts';
import { migrate } from '../shared/migrate.ts';
import type { Message, Red, RedNode } from '../shared/types.ts';
import { type ConsoleConfig, defaults } from './config.ts';
import { Listening } from './listening.ts';

export default function register(RED: Red): void {
  function ConsoleNode(this: RedNode, saved: ConsoleConfig): void {
    RED.nodes.createNode(this, saved);
    const config = migrate(saved, defaults) as ConsoleConfig;
    let listening: Listening | undefined;
    const start = async (target: PortTarget, msg: Message, fields: Fields<ConsoleConfig>): Promise<Listening> => {
      const baudRate = await fields.number('baudRate', { min: 300, max: 20_000_000, blank: target.baudRate });
      if (listening?.isFor(target, baudRate)) {
        listening.follow(msg);
        return listening;
      }
      await stop();
      listening = new Listening(RED, this, config, inputs.status, { ...target, baudRate }, msg);
      return listening;
    };
    const stop = async (): Promise<void> => {
      const before = listening;
      if (before === undefined) return;
      listening = undefined;
      await before.stop();
      inputs.status.set('grey', 'ring', RED._('keyway-console.status.idle'));
    };
    const inputs = onInput<ConsoleConfig>({
      red: RED,
      node: this,
      config,
      verb: 'console',
      inOrder: true,
      run: async (job, fields) => {
        const { payload } = job.msg;
        const now = await start(await choosePort(config.port, job.msg), job.msg, fields);
        if (config.send && (typeof payload === 'string' || payload instanceof Uint8Array)) await now.send(payload);
        return null;
      },
      onCancel: stop,
    });
    inputs.onClose(stop);
    inputs.status.set('grey', 'ring', RED._('keyway-console.status.idle'));
    if (config.listen !== 'deploy' || config.port === '') return;
    // Once the flow is up: a Catch or Status node that is made later would miss what is said before.
    const atStart = (): void => {
      const none = { _msgid: '' } as Message;
      Promise.resolve()
        .then(async () => start(await choosePort(config.port, none), none, new Fields(RED, this, config, none)))
        .catch((error: unknown) => {
          inputs.status.set('red', 'dot', codeOf(error));
          this.error(error, {});
        });
    };
    RED.events.once('flows:started', atStart);
    inputs.onClose(() => void RED.events.off('flows:started', atStart));
  }
  RED.nodes.registerType('keyway-console', ConsoleNode);
}
