import { choices, chosenIn, layOut, NUMBER, oneOf, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, nameOf, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, operations } from './config.ts';

RED.nodes.registerType('keyway-slots', {
  category: 'Keyway OSDP',
  color: '#E9967A',
  icon: 'keyway-slots.svg',
  defaults: {
    name: { value: '' },
    provisioner: { value: '', type: 'keyway-provisioner', required: true },
    operation: { value: 'list' },
    operationType: { value: 'op' },
    slot: { value: 'slot.number' },
    slotType: { value: 'msg' },
    plan: { value: 'plan' },
    planType: { value: 'msg' },
    json: { value: 'payload' },
    jsonType: { value: 'msg' },
    session: { value: 'slot.session' },
    sessionType: { value: 'msg' },
    table: { value: false },
    timeout: { value: '30' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-slots.palette');
  },
  label: function () {
    const { operation, operationType } = { ...defaults, ...this };
    const words = this._(`keyway-slots.words.${operationType === 'op' ? operation : 'any'}`);
    const provisioner = RED.nodes.node(String(this.provisioner ?? ''));
    return labelFor(this, provisioner ? `${words} @ ${nameOf(provisioner)}` : words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-slots.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-slots.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    typed('slot', [...NUMBER, 'str']);
    typed('plan', ['msg', 'flow', 'global', 'jsonata']);
    typed('json', ['msg', 'str', 'json', 'flow', 'global', 'jsonata']);
    typed('session', TEXT);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
