import { choices, fillSelect, layOut, NUMBER, oneOf, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, nameOf, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, formats, targets } from './config.ts';

RED.nodes.registerType('keyway-export', {
  category: 'Keyway OSDP',
  color: '#E9967A',
  icon: 'keyway-export.svg',
  defaults: {
    name: { value: '' },
    provisioner: { value: '', type: 'keyway-provisioner', required: true },
    slot: { value: 'slot.number' },
    slotType: { value: 'msg' },
    format: { value: 'csv' },
    formatType: { value: 'op' },
    target: { value: 'file' },
    folder: { value: '' },
    file: { value: '' },
    fileType: { value: 'str' },
    allow: { value: false },
    timeout: { value: '30' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-export.palette');
  },
  label: function () {
    const { format, formatType } = { ...defaults, ...this };
    const words = this._('keyway-export.words', { format: formatType === 'op' ? String(format).toUpperCase() : '' });
    const provisioner = RED.nodes.node(String(this.provisioner ?? ''));
    return labelFor(this, provisioner ? `${words.trim()} @ ${nameOf(provisioner)}` : words.trim());
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-export.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    typed('slot', [...NUMBER, 'str']);
    typed('format', oneOf(choices(this, 'keyway-export.format', [...formats])));
    const target = fillSelect('#node-input-target', choices(this, 'keyway-export.target', [...targets]), this.target);
    showFor(target, [...targets], () => String(target.val()));
    $('#node-input-folder').attr('placeholder', this._('keyway-export.placeholder.folder'));
    typed('file', TEXT, this._('keyway-export.placeholder.file'));
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
