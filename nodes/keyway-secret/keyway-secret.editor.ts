import { choices, fillSelect, layOut, NUMBER, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, formats, kinds, migrations, operations, sources, VARIABLE } from './config.ts';

RED.nodes.registerType('keyway-secret', {
  category: 'Keyway identity',
  color: '#A6BBCF',
  icon: 'keyway-secret.svg',
  defaults: {
    name: { value: '' },
    operation: { value: 'store' },
    source: { value: 'msg' },
    variable: { value: '', validate: isVariable },
    property: { value: 'payload' },
    propertyType: { value: 'msg' },
    kind: { value: 'secret' },
    format: { value: 'text' },
    namespace: { value: 'device.namespace' },
    namespaceType: { value: 'msg' },
    redeemer: { value: 'keyway-secret' },
    allowReveal: { value: false },
    lifetime: { value: '60' },
    lifetimeType: { value: 'num' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 2 },
  },
  credentials: {
    secret: { type: 'password' },
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
  outputLabels: function () {
    return this._('keyway-secret.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults, migrations));
    const operation = fillSelect(
      '#node-input-operation',
      choices(this, 'keyway-secret.operation', [...operations]),
      this.operation,
    );
    showFor(operation, [...operations], () => String(operation.val()));
    const source = fillSelect('#node-input-source', choices(this, 'keyway-secret.source', [...sources]), this.source);
    showFor(source, [...sources], () => String(source.val()));
    operation.add(source).on('change', () => $('#node-input-variable').trigger('change'));
    typed('property', ['msg']);
    fillSelect('#node-input-kind', choices(this, 'keyway-secret.kind', [...kinds]), this.kind);
    fillSelect('#node-input-format', choices(this, 'keyway-secret.format', [...formats]), this.format);
    typed('namespace', TEXT, this._('keyway.placeholder.none'));
    typed('lifetime', NUMBER);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});

/** The name of a variable, where one is asked for. Node-RED passes ${NAME} by itself: that one the runtime refuses. */
function isVariable(this: EditorNode, value: unknown): boolean {
  // While the dialog is open its own fields count, not what was saved.
  const operation = $('#node-input-operation').val() ?? this.operation;
  const source = $('#node-input-source').val() ?? this.source;
  return operation === 'reveal' || source !== 'env' || VARIABLE.test(String(value));
}
