import { choices, layOut, NUMBER, oneOf, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, qualities } from './config.ts';

RED.nodes.registerType('keyway-endpoint-out', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-endpoint-out.svg',
  defaults: {
    name: { value: '' },
    endpoint: { value: '', type: 'keyway-endpoint', required: true },
    namespace: { value: 'device.namespace' },
    namespaceType: { value: 'msg' },
    mac: { value: 'device.mac' },
    macType: { value: 'msg' },
    topic: { value: 'command' },
    topicType: { value: 'str' },
    message: { value: 'payload' },
    messageType: { value: 'msg' },
    qos: { value: '1' },
    qosType: { value: 'op' },
    expiry: { value: '' },
    expiryType: { value: 'num' },
    timeout: { value: '30' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-endpoint-out.palette');
  },
  label: function () {
    const { topic, topicType } = { ...defaults, ...this };
    const words = topicType === 'str' ? { topic: String(topic) } : { topic: '' };
    return labelFor(this, this._('keyway-endpoint-out.words', words).trim());
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-endpoint-out.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    typed('topic', TEXT);
    typed('message', ['msg', 'str', 'json', 'bin', 'flow', 'global', 'env', 'jsonata']);
    typed('namespace', TEXT);
    typed('mac', TEXT);
    typed('qos', oneOf(choices(this, 'keyway-endpoint-out.qos', [...qualities])));
    typed('expiry', NUMBER, this._('keyway.placeholder.none'));
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
