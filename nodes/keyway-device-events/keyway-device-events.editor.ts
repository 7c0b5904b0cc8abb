import { choices, fillSelect, layOut } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, kinds } from './config.ts';

RED.nodes.registerType('keyway-device-events', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-device-events.svg',
  defaults: {
    name: { value: '' },
    registry: { value: '', type: 'keyway-registry', required: true },
    kind: { value: 'all' },
    namespace: { value: '' },
    version: { value: 1 },
  },
  inputs: 0,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-device-events.palette');
  },
  label: function () {
    return labelFor(this, this._(`keyway-device-events.words.${this.kind ?? defaults.kind}`));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-device-events.output.event');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    fillSelect('#node-input-kind', choices(this, 'keyway-device-events.kind', [...kinds]), this.kind);
    $('#node-input-namespace').attr('placeholder', this._('keyway-device-events.placeholder.namespace'));
    layOut(this._('keyway.label.options'));
  },
});
