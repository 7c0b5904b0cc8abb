import { choices, chosenIn, layOut, NUMBER, oneOf, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, operations } from './config.ts';

RED.nodes.registerType('keyway-certificate', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-certificate.svg',
  defaults: {
    name: { value: '' },
    registry: { value: '', type: 'keyway-registry', required: false },
    operation: { value: 'list' },
    operationType: { value: 'op' },
    namespace: { value: 'device.namespace' },
    namespaceType: { value: 'msg' },
    mac: { value: '' },
    macType: { value: 'str' },
    states: { value: '' },
    statesType: { value: 'str' },
    days: { value: '2' },
    daysType: { value: 'num' },
    limit: { value: '1000' },
    limitType: { value: 'num' },
    after: { value: 'next' },
    afterType: { value: 'msg' },
    pem: { value: 'payload' },
    pemType: { value: 'msg' },
    timeout: { value: '60' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-certificate.palette');
  },
  label: function () {
    const { operation, operationType } = { ...defaults, ...this };
    return labelFor(this, this._(`keyway-certificate.words.${operationType === 'op' ? operation : 'any'}`));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-certificate.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-certificate.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    const any = this._('keyway-certificate.placeholder.any');
    typed('namespace', TEXT, any);
    typed('mac', TEXT, any);
    typed('states', TEXT, any);
    typed('days', NUMBER);
    typed('limit', NUMBER);
    typed('after', ['msg', 'str', 'flow', 'global', 'jsonata']);
    typed('pem', ['msg', 'str', 'flow', 'global', 'jsonata']);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
