import { choices, fillSelect, layOut } from '../../editor/shared/form.ts';
import { labelFor, nameOf, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, kinds } from './config.ts';

RED.nodes.registerType('keyway-progress', {
  category: 'Keyway OSDP',
  color: '#E9967A',
  icon: 'keyway-progress.svg',
  defaults: {
    name: { value: '' },
    provisioner: { value: '', type: 'keyway-provisioner', required: true },
    kind: { value: 'edges' },
    slots: { value: '' },
    version: { value: 1 },
  },
  inputs: 0,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-progress.palette');
  },
  label: function () {
    const words = this._(`keyway-progress.words.${this.kind ?? defaults.kind}`);
    const provisioner = RED.nodes.node(String(this.provisioner ?? ''));
    return labelFor(this, provisioner ? `${words} @ ${nameOf(provisioner)}` : words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._(`keyway-progress.output.${this.kind === 'steps' || this.kind === 'slots' ? 'table' : 'edge'}`);
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    fillSelect('#node-input-kind', choices(this, 'keyway-progress.kind', [...kinds]), this.kind);
    $('#node-input-slots').attr('placeholder', this._('keyway-progress.placeholder.slots'));
    layOut(this._('keyway.label.options'));
  },
});
