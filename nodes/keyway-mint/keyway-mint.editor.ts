import { choices, chosenIn, layOut, NUMBER, oneOf, SWITCH, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, operations } from './config.ts';

RED.nodes.registerType('keyway-mint', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-mint.svg',
  defaults: {
    name: { value: '' },
    authority: { value: '', type: 'keyway-authority', required: true },
    operation: { value: 'vault' },
    operationType: { value: 'op' },
    namespace: { value: 'device.namespace' },
    namespaceType: { value: 'msg' },
    mac: { value: 'device.mac' },
    macType: { value: 'msg' },
    csr: { value: 'payload' },
    csrType: { value: 'msg' },
    names: { value: '' },
    namesType: { value: 'str' },
    days: { value: '90' },
    daysType: { value: 'num' },
    serial: { value: 'identity.serial' },
    serialType: { value: 'msg' },
    replace: { value: 'false' },
    replaceType: { value: 'bool' },
    register: { value: true },
    redeemer: { value: 'keyway-flash' },
    lifetime: { value: '60' },
    lifetimeType: { value: 'num' },
    timeout: { value: '60' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-mint.palette');
  },
  label: function () {
    const { operation, operationType, namespace, namespaceType } = { ...defaults, ...this };
    const words = this._(`keyway-mint.words.${operationType === 'op' ? operation : 'any'}`);
    const mints = operationType === 'op' && (operation === 'vault' || operation === 'csr');
    return labelFor(this, mints && namespaceType === 'str' ? `${words} ${namespace}` : words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-mint.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-mint.operation', [...operations])));
    // A row may belong to several operations: it has the class of each.
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    typed('namespace', TEXT);
    typed('mac', TEXT);
    typed('csr', ['msg', 'str', 'flow', 'global', 'jsonata']);
    typed('names', TEXT);
    typed('days', NUMBER);
    typed('serial', TEXT);
    typed('replace', SWITCH);
    typed('lifetime', NUMBER);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
