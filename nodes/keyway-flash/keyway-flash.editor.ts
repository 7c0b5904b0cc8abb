import { choices, fillSelect, layOut, NUMBER, SIZE, TEXT, typed } from '../../editor/shared/form.ts';
import { chipBehind, labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, entries, migrations } from './config.ts';

RED.nodes.registerType('keyway-flash', {
  category: 'Keyway chips',
  color: '#E2D96E',
  icon: 'keyway-flash.svg',
  defaults: {
    name: { value: '' },
    port: { value: '', type: 'keyway-port', required: false },
    plan: { value: 'plan' },
    planType: { value: 'msg' },
    baudRate: { value: '460800' },
    baudRateType: { value: 'num' },
    mac: { value: 'device.mac' },
    macType: { value: 'msg' },
    force: { value: '' },
    forceType: { value: 'str' },
    skip: { value: true },
    cache: { value: true },
    stepDown: { value: true },
    patience: { value: '120' },
    patienceType: { value: 'num' },
    flashSize: { value: '' },
    flashSizeType: { value: 'str' },
    namespace: { value: 'device.namespace' },
    namespaceType: { value: 'msg' },
    resetAfter: { value: true },
    entry: { value: 'auto' },
    attempts: { value: '7' },
    attemptsType: { value: 'num' },
    whenBusy: { value: 'queue' },
    timeout: { value: '600' },
    timeoutType: { value: 'num' },
    version: { value: 2 },
  },
  inputs: 1,
  outputs: 2,
  paletteLabel: function () {
    return this._('keyway-flash.palette');
  },
  label: function () {
    return labelFor(this, `${this._('keyway-flash.words')} ${chipBehind(this.port)}`.trim());
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function (index) {
    return this._(`keyway-flash.output.${['result', 'progress'][index]}`);
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults, migrations));
    typed('plan', ['msg', 'flow', 'global', 'jsonata']);
    typed('baudRate', NUMBER);
    typed('mac', TEXT, this._('keyway-flash.placeholder.mac'));
    typed('force', TEXT, this._('keyway.placeholder.none'));
    typed('patience', NUMBER, this._('keyway-flash.placeholder.patience'));
    typed('flashSize', SIZE, this._('keyway-flash.placeholder.flashSize'));
    typed('namespace', TEXT, this._('keyway.placeholder.none'));
    fillSelect('#node-input-entry', choices(this, 'keyway-flash.entry', [...entries]), this.entry);
    typed('attempts', NUMBER);
    fillSelect('#node-input-whenBusy', choices(this, 'keyway.whenBusy', ['queue', 'refuse']), this.whenBusy);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
