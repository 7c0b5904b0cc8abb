import { choices, chosenIn, fillSelect, layOut, NUMBER, oneOf, showFor, typed } from '../../editor/shared/form.ts';
import { labelFor, nameOf, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { choicesOfSteps, defaults, operations } from './config.ts';

RED.nodes.registerType('keyway-step', {
  category: 'Keyway OSDP',
  color: '#E9967A',
  icon: 'keyway-step.svg',
  defaults: {
    name: { value: '' },
    provisioner: { value: '', type: 'keyway-provisioner', required: true },
    operation: { value: 'try' },
    operationType: { value: 'op' },
    slot: { value: 'slot.number' },
    slotType: { value: 'msg' },
    steps: { value: 'next' },
    stepsType: { value: 'op' },
    whenBusy: { value: 'queue' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 3,
  paletteLabel: function () {
    return this._('keyway-step.palette');
  },
  label: function () {
    const { operation, operationType, steps, stepsType } = { ...defaults, ...this };
    const verb = this._(`keyway-step.words.${operationType === 'op' ? operation : 'any'}`);
    const which = stepsType === 'op' && operation !== 'cancel' ? ` ${this._(`keyway-step.which.${steps}`)}` : '';
    const provisioner = RED.nodes.node(String(this.provisioner ?? ''));
    return labelFor(this, provisioner ? `${verb}${which} @ ${nameOf(provisioner)}` : `${verb}${which}`);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function (index) {
    return this._(`keyway-step.output.${['result', 'progress', 'none'][index] ?? 'result'}`);
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-step.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    typed('slot', [...NUMBER, 'str']);
    typed('steps', [...oneOf(choices(this, 'keyway-step.steps', [...choicesOfSteps])), 'num', 'json']);
    fillSelect('#node-input-whenBusy', choices(this, 'keyway-step.whenBusy', ['queue', 'refuse']), this.whenBusy);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
