import { choices, fillSelect, foldOptions, NUMBER, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, kinds, operations } from './config.ts';

RED.nodes.registerType('keyway-secret', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-secret.svg',
  defaults: {
    name: { value: '' },
    operation: { value: 'store' },
    property: { value: 'payload' },
    propertyType: { value: 'msg' },
    kind: { value: 'secret' },
    namespace: { value: 'device.namespace' },
    namespaceType: { value: 'msg' },
    redeemer: { value: 'keyway-secret' },
    allowReveal: { value: false },
    lifetime: { value: '60' },
    lifetimeType: { value: 'num' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-secret.palette');
  },
  label: function () {
    return labelFor(this, this._(`keyway-secret.words.${this.operation ?? defaults.operation}`));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function (index) {
    return this._(`keyway-secret.output.${['result'][index] ?? 'result'}`);
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = fillSelect(
      '#node-input-operation',
      choices(this, 'keyway-secret.operation', [...operations]),
      this.operation,
    );
    showFor(operation, [...operations], () => String(operation.val()));
    typed('property', ['msg']);
    fillSelect('#node-input-kind', choices(this, 'keyway-secret.kind', [...kinds]), this.kind);
    typed('namespace', TEXT, this._('keyway.placeholder.none'));
    typed('lifetime', NUMBER);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    foldOptions(this._('keyway.label.options'));
  },
});
