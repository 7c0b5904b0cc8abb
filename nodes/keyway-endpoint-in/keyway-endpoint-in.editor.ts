import { choices, fillSelect, layOut } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, formats } from './config.ts';

RED.nodes.registerType('keyway-endpoint-in', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-endpoint-in.svg',
  defaults: {
    name: { value: '' },
    endpoint: { value: '', type: 'keyway-endpoint', required: true },
    messages: { value: true },
    presence: { value: true },
    refused: { value: false },
    cuts: { value: false },
    filter: { value: '' },
    namespace: { value: '' },
    format: { value: 'auto' },
    version: { value: 1 },
  },
  inputs: 0,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-endpoint-in.palette');
  },
  label: function () {
    const kinds = (['messages', 'presence', 'refused', 'cuts'] as const).filter((kind) => this[kind] === true);
    const [only, ...more] = kinds;
    return labelFor(this, this._(`keyway-endpoint-in.words.${only === undefined || more.length > 0 ? 'any' : only}`));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-endpoint-in.output.event');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    fillSelect('#node-input-format', choices(this, 'keyway-endpoint-in.format', [...formats]), this.format);
    const all = this._('keyway-endpoint-in.placeholder.all');
    $('#node-input-filter, #node-input-namespace').attr('placeholder', all);
    layOut(this._('keyway.label.options'));
  },
});
