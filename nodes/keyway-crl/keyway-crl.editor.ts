import { choices, chosenIn, layOut, NUMBER, oneOf, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, formats, operations } from './config.ts';

RED.nodes.registerType('keyway-crl', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-crl.svg',
  defaults: {
    name: { value: '' },
    authority: { value: '', type: 'keyway-authority', required: true },
    operation: { value: 'current' },
    operationType: { value: 'op' },
    namespace: { value: 'device.namespace' },
    namespaceType: { value: 'msg' },
    format: { value: 'facts' },
    formatType: { value: 'op' },
    file: { value: '' },
    events: { value: false },
    timeout: { value: '60' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  credentials: {
    passphrase: { type: 'password' },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-crl.palette');
  },
  label: function () {
    const { operation, operationType } = { ...defaults, ...this };
    return labelFor(this, this._(`keyway-crl.words.${operationType === 'op' ? operation : 'any'}`));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-crl.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-crl.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    typed('namespace', TEXT, this._('keyway-crl.placeholder.all'));
    typed('format', oneOf(choices(this, 'keyway-crl.format', [...formats])));
    $('#node-input-file').attr('placeholder', '/etc/mosquitto/keyway-crl.pem');
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
