import { layOut } from '../../editor/shared/form.ts';
import { namespacesIn, namespaceTable } from '../../editor/shared/namespace-table.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults } from './config.ts';

RED.nodes.registerType('keyway-authority', {
  category: 'config',
  defaults: {
    name: { value: '' },
    registry: { value: '', type: 'keyway-registry', required: true },
    namespaces: { value: [] },
    organisation: { value: '' },
    crlBaseUrl: { value: '' },
    enrolment: { value: false },
    enrolmentRegisters: { value: true },
    version: { value: 1 },
  },
  credentials: {
    passphrase: { type: 'password' },
  },
  paletteLabel: function () {
    return this._('keyway-authority.palette');
  },
  label: function () {
    const rows = Array.isArray(this.namespaces) ? (this.namespaces as { name: string }[]) : [];
    return String(this.name || rows.map(({ name }) => name).join(', ') || this._('keyway-authority.unnamed'));
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const word = (field: string): string => this._(`keyway-authority.namespace.${field}`);
    namespaceTable(
      $('#keyway-authority-namespaces'),
      this.namespaces,
      {
        name: word('name'),
        broker: word('broker'),
        validityDays: word('validityDays'),
        rotateHour: word('rotateHour'),
        graceDays: word('graceDays'),
      },
      { name: 'line-1', broker: 'broker.example.com', validityDays: '7', rotateHour: '18', graceDays: '30' },
    );
    $('#node-config-input-organisation').attr('placeholder', this._('keyway.placeholder.none'));
    $('#node-config-input-crlBaseUrl').attr('placeholder', 'http://crl.example.com');
    const enrolment = $('#node-config-input-enrolment');
    const show = (): void => void $('.keyway-when-enrolment').toggle(enrolment.prop('checked') === true);
    enrolment.on('change', show);
    show();
    layOut(this._('keyway.label.options'));
  },
  oneditsave: function () {
    this.namespaces = namespacesIn($('#keyway-authority-namespaces'));
    return undefined;
  },
});
