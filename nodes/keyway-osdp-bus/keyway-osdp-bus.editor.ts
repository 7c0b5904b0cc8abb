import { choices, fillSelect, layOut } from '../../editor/shared/form.ts';
import { nameOf } from '../../editor/shared/labels.ts';
import { busTestButton } from '../../editor/shared/osdp-dialog.ts';
import { readerRowsIn, readerTable } from '../../editor/shared/reader-table.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { baudRates, defaults, modes, securities } from './config.ts';

RED.nodes.registerType('keyway-osdp-bus', {
  category: 'config',
  defaults: {
    name: { value: '' },
    port: { value: '', type: 'keyway-port', required: false },
    baudRate: { value: '9600' },
    mode: { value: 'multi' },
    readers: { value: [] },
    pollMs: { value: '50' },
    offline: { value: '8' },
    version: { value: 1 },
  },
  paletteLabel: function () {
    return this._('keyway-osdp-bus.palette');
  },
  label: function () {
    const port = RED.nodes.node(String(this.port ?? ''));
    return this.name || (port ? nameOf(port) : this._('keyway-osdp-bus.unnamed'));
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    fillSelect(
      '#node-config-input-baudRate',
      baudRates.map((rate) => ({ value: String(rate), label: String(rate) })),
      this.baudRate,
    );
    fillSelect('#node-config-input-mode', choices(this, 'keyway-osdp-bus.mode', [...modes]), this.mode);
    busTestButton(this);
    readerTable($('#keyway-osdp-readers'), this.readers, {
      address: this._('keyway-osdp-bus.row.address'),
      name: this._('keyway-osdp-bus.row.name'),
      security: this._('keyway-osdp-bus.row.security'),
      key: this._('keyway-osdp-bus.row.key'),
      securities: choices(this, 'keyway-osdp-bus.security', [...securities]),
    });
    layOut(this._('keyway.label.options'));
  },
  oneditsave: function () {
    this.readers = readerRowsIn($('#keyway-osdp-readers'));
  },
});
