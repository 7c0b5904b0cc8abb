import { choices, fillSelect, layOut, NUMBER, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, levels, listens } from './config.ts';

RED.nodes.registerType('keyway-console', {
  category: 'Keyway chips',
  color: '#E2D96E',
  icon: 'keyway-console.svg',
  defaults: {
    name: { value: '' },
    port: { value: '', type: 'keyway-port', required: false },
    level: { value: 'V' },
    listen: { value: 'deploy' },
    baudRate: { value: '' },
    baudRateType: { value: 'num' },
    send: { value: false },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-console.palette');
  },
  label: function () {
    return labelFor(this, this._('keyway-console.words'));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-console.output.line');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    fillSelect('#node-input-level', choices(this, 'keyway-console.level', [...levels]), this.level);
    fillSelect('#node-input-listen', choices(this, 'keyway-console.listen', [...listens]), this.listen);
    typed('baudRate', NUMBER, this._('keyway-console.placeholder.baudRate'));
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
