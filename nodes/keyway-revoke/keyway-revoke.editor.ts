import { choices, layOut, NUMBER, oneOf, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { cuts, defaults, reasons } from './config.ts';

RED.nodes.registerType('keyway-revoke', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-revoke.svg',
  defaults: {
    name: { value: '' },
    authority: { value: '', type: 'keyway-authority', required: true },
    endpoint: { value: '', type: 'keyway-endpoint', required: false },
    namespace: { value: 'device.namespace' },
    namespaceType: { value: 'msg' },
    mac: { value: 'device.mac' },
    macType: { value: 'msg' },
    reason: { value: 'unspecified' },
    reasonType: { value: 'op' },
    cut: { value: 'now' },
    cutType: { value: 'op' },
    crlFile: { value: '' },
    pidFile: { value: '' },
    command: { value: '' },
    controlUrl: { value: '' },
    timeout: { value: '60' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  credentials: {
    controlUser: { type: 'text' },
    controlPassword: { type: 'password' },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-revoke.palette');
  },
  label: function () {
    return labelFor(this, this._('keyway-revoke.words'));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-revoke.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    typed('cut', oneOf(choices(this, 'keyway-revoke.cut', [...cuts])));
    typed('reason', oneOf(choices(this, 'keyway-revoke.reason', [...reasons])));
    typed('namespace', TEXT);
    typed('mac', TEXT);
    $('#node-input-crlFile').attr('placeholder', this._('keyway.placeholder.none'));
    $('#node-input-pidFile').attr('placeholder', '/run/mosquitto/mosquitto.pid');
    $('#node-input-command').attr('placeholder', 'docker kill --signal=HUP mosquitto');
    $('#node-input-controlUrl').attr('placeholder', 'mqtt://127.0.0.1:1883');
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
