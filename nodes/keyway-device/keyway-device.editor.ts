import { choices, chosenIn, layOut, NUMBER, oneOf, SWITCH, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, operations } from './config.ts';

RED.nodes.registerType('keyway-device', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-device.svg',
  defaults: {
    name: { value: '' },
    registry: { value: '', type: 'keyway-registry', required: true },
    operation: { value: 'get' },
    operationType: { value: 'op' },
    namespace: { value: 'device.namespace' },
    namespaceType: { value: 'msg' },
    mac: { value: 'device.mac' },
    macType: { value: 'msg' },
    serial: { value: 'device.serial' },
    serialType: { value: 'msg' },
    deviceName: { value: 'device.name' },
    deviceNameType: { value: 'msg' },
    profile: { value: 'device.profile' },
    profileType: { value: 'msg' },
    labels: { value: 'device.labels' },
    labelsType: { value: 'msg' },
    attributes: { value: 'device.attributes' },
    attributesType: { value: 'msg' },
    states: { value: '' },
    statesType: { value: 'str' },
    search: { value: '' },
    searchType: { value: 'str' },
    limit: { value: '1000' },
    limitType: { value: 'num' },
    after: { value: 'next' },
    afterType: { value: 'msg' },
    source: { value: 'payload' },
    sourceType: { value: 'msg' },
    dryRun: { value: 'false' },
    dryRunType: { value: 'bool' },
    skipBad: { value: false },
    reason: { value: '' },
    reasonType: { value: 'str' },
    timeout: { value: '60' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-device.palette');
  },
  label: function () {
    const { operation, operationType } = { ...defaults, ...this };
    return labelFor(this, this._(`keyway-device.words.${operationType === 'op' ? operation : 'any'}`));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-device.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-device.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    const any = this._('keyway-device.placeholder.any');
    for (const field of ['namespace', 'mac', 'serial', 'deviceName', 'profile', 'reason']) typed(field, TEXT);
    typed('labels', [...TEXT, 'json']);
    typed('attributes', ['json', 'msg', 'flow', 'global', 'jsonata']);
    typed('states', TEXT, any);
    typed('search', TEXT, any);
    typed('limit', NUMBER);
    typed('after', ['msg', 'str', 'flow', 'global', 'jsonata']);
    typed('source', ['msg', 'str', 'json', 'flow', 'global', 'jsonata']);
    typed('dryRun', SWITCH);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
