import { choices, fillSelect, layOut } from '../../editor/shared/form.ts';
import { labelFor, nameOf, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, kinds } from './config.ts';

RED.nodes.registerType('keyway-osdp-events', {
  category: 'Keyway OSDP',
  color: '#E9967A',
  icon: 'keyway-osdp-events.svg',
  defaults: {
    name: { value: '' },
    bus: { value: '', type: 'keyway-osdp-bus', required: true },
    kind: { value: 'all' },
    addresses: { value: '' },
    version: { value: 1 },
  },
  inputs: 0,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-osdp-events.palette');
  },
  label: function () {
    const words = this._(`keyway-osdp-events.words.${this.kind ?? defaults.kind}`);
    const bus = typeof this.bus === 'string' ? RED.nodes.node(this.bus) : undefined;
    return labelFor(this, bus ? `${words} @ ${nameOf(bus)}` : words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-osdp-events.output.event');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    fillSelect('#node-input-kind', choices(this, 'keyway-osdp-events.kind', [...kinds]), this.kind);
    $('#node-input-addresses').attr('placeholder', this._('keyway-osdp-events.placeholder.addresses'));
    layOut(this._('keyway.label.options'));
  },
});
