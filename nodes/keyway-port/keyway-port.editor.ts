import { choices, fillSelect, layOut, showFor } from '../../editor/shared/form.ts';
import { nameOf } from '../../editor/shared/labels.ts';
import { offerPorts, testButton } from '../../editor/shared/port-dialog.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, kinds } from './config.ts';

RED.nodes.registerType('keyway-port', {
  category: 'config',
  // A message may name it: one that no node points at is not left over.
  hasUsers: false,
  defaults: {
    name: { value: '' },
    kind: { value: 'address' },
    address: { value: '' },
    chip: { value: '', type: 'keyway-virtual-chip', required: false },
    serial: { value: '', type: 'serial-port', required: false },
    baudRate: { value: '115200' },
    version: { value: 1 },
  },
  paletteLabel: function () {
    return this._('keyway-port.palette');
  },
  label: function () {
    const where: Record<string, unknown> = { virtual: this.chip, 'serial-port': this.serial };
    const target = RED.nodes.node(String(where[String(this.kind)] ?? ''));
    const place = target ? nameOf(target) : this.kind === 'address' ? this.address : '';
    return String(this.name || place || this._('keyway-port.unnamed'));
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const offered = kinds.filter((kind) => kind !== 'serial-port' || RED.nodes.getType('serial-port'));
    const kind = fillSelect('#node-config-input-kind', choices(this, 'keyway-port.kind', [...offered]), this.kind);
    showFor(kind, [...kinds], () => String(kind.val()));
    offerPorts($('#node-config-input-address'));
    testButton(this);
    layOut(this._('keyway.label.options'));
  },
});
