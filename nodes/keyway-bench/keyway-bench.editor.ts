import { choices, chosenIn, layOut, NUMBER, oneOf, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, nameOf, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { actions, defaults, faults, migrations, newModels } from './config.ts';

RED.nodes.registerType('keyway-bench', {
  category: 'Keyway bench',
  color: '#D8BFD8',
  icon: 'keyway-bench.svg',
  defaults: {
    name: { value: '' },
    chip: { value: '', type: 'keyway-virtual-chip', required: false },
    action: { value: 'pull' },
    actionType: { value: 'op' },
    newMac: { value: '' },
    newMacType: { value: 'str' },
    newModel: { value: 'same' },
    newModelType: { value: 'op' },
    key: { value: 'device.nvsKey' },
    keyType: { value: 'msg' },
    fault: { value: 'drop' },
    faultType: { value: 'op' },
    at: { value: '0' },
    atType: { value: 'num' },
    aboveBaud: { value: '230400' },
    aboveBaudType: { value: 'num' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 2 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-bench.palette');
  },
  label: function () {
    const { action, actionType } = { ...defaults, ...this };
    const words = this._(actionType === 'op' ? `keyway-bench.action.${action}` : 'keyway-bench.words');
    const chip = typeof this.chip === 'string' ? RED.nodes.node(this.chip) : undefined;
    return labelFor(this, chip ? `${words} @ ${nameOf(chip)}` : words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-bench.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults, migrations));
    const action = typed('action', oneOf(choices(this, 'keyway-bench.action', [...actions])));
    showFor(action, [...actions, 'elsewhere'], () => chosenIn(action));
    typed('newMac', TEXT, this._('keyway-bench.placeholder.newMac'));
    typed('newModel', oneOf(choices(this, 'keyway-bench.model', [...newModels])));
    const fault = typed('fault', oneOf(choices(this, 'keyway-bench.fault', [...faults])));
    showFor(fault, ['at', 'rate', 'either'], () => {
      const chosen = chosenIn(fault);
      if (chosen === 'elsewhere') return 'either';
      return chosen === 'noise' ? 'rate' : 'at';
    });
    typed('key', ['msg', 'flow', 'global', 'jsonata']);
    typed('at', NUMBER);
    typed('aboveBaud', NUMBER);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
