import { enrolmentButtons } from '../../editor/shared/enrolment-buttons.ts';
import { choices, layOut } from '../../editor/shared/form.ts';
import { namespacesIn, namespaceTable } from '../../editor/shared/namespace-table.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, rotations, units } from './config.ts';

RED.nodes.registerType('keyway-authority', {
  category: 'config',
  defaults: {
    name: { value: '' },
    registry: { value: '', type: 'keyway-registry', required: true },
    namespaces: { value: [] },
    organisation: { value: '' },
    crlBaseUrl: { value: '' },
    rootKeyFile: { value: '' },
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
    const word = (key: string): string => this._(`keyway-authority.namespace.${key}`);
    const list = (prefix: string, values: readonly string[]): { value: string; label: string }[] =>
      choices(this, `keyway-authority.${prefix}`, [...values]);
    const byDefault = (values: readonly string[]): { value: string; label: string }[] => [
      { value: '', label: word('byDefault') },
      ...values.map((value) => ({ value, label: value })),
    ];
    namespaceTable($('#keyway-authority-namespaces'), this.namespaces, {
      label: word,
      choices: {
        validityUnit: list('unit', units),
        rotateBy: list('rotateBy', rotations),
        rekey: [{ value: '', label: word('byDefault') }, ...list('rekey', ['required', 'allowed'])],
        keys: byDefault(['P-256', 'P-256 or RSA']),
      },
      placeholders: {
        ...{ name: 'line-1', broker: 'broker.example.com', validity: '7', graceDays: '30', graceHours: '0' },
        ...{ rotateHour: '18', rotateWindow: '24', rotateFraction: '0.75' },
        ...{ names: 'dns:{broker}', crlBaseUrl: 'http://crl.example.com' },
      },
    });
    enrolmentButtons(this);
    $('#node-config-input-rootKeyFile').attr('placeholder', 'root-key.pem');
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
