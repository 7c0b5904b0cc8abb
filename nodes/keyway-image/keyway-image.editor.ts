import {
  choices,
  chosenIn,
  fillSelect,
  layOut,
  NUMBER,
  oneOf,
  SIZE,
  showFor,
  TEXT,
  typed,
} from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { nvsRowsIn, nvsTable, nvsWords } from '../../editor/shared/nvs-table.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { nvsEncodings, nvsSchemes, nvsSources } from '../shared/nvs-rows.ts';
import { defaults, identities, migrations, nvsActions, operations, whats } from './config.ts';

RED.nodes.registerType('keyway-image', {
  category: 'Keyway chips',
  color: '#E2D96E',
  icon: 'keyway-image.svg',
  defaults: {
    name: { value: '' },
    operation: { value: 'build' },
    operationType: { value: 'op' },
    what: { value: 'set' },
    chip: { value: 'device.chip' },
    chipType: { value: 'msg' },
    source: { value: 'payload' },
    sourceType: { value: 'msg' },
    project: { value: 'demo' },
    projectType: { value: 'str' },
    imageVersion: { value: '1.0.0' },
    imageVersionType: { value: 'str' },
    identity: { value: 'none' },
    size: { value: '' },
    sizeType: { value: 'str' },
    nvsAction: { value: 'build' },
    nvsFrom: { value: 'table' },
    entries: { value: [] },
    nvsValue: { value: 'nvs' },
    nvsValueType: { value: 'msg' },
    nvsSize: { value: '0x6000' },
    nvsSizeType: { value: 'str' },
    nvsScheme: { value: 'none' },
    nvsKey: { value: 'device.nvsKey' },
    nvsKeyType: { value: 'msg' },
    raw: { value: false },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 2 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-image.palette');
  },
  label: function () {
    const { operation, operationType } = { ...defaults, ...this };
    const words = this._(`keyway-image.words.${operationType === 'op' ? operation : 'any'}`);
    return labelFor(this, words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-image.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults, migrations));
    const operation = typed('operation', oneOf(choices(this, 'keyway-image.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    prepareNvs(this, operation);
    fillSelect('#node-input-what', choices(this, 'keyway-image.what', [...whats]), this.what);
    typed('chip', TEXT, this._('keyway-image.placeholder.chip'));
    typed('source', ['msg', 'str', 'flow', 'global', 'env', 'jsonata']);
    typed('project', TEXT);
    typed('imageVersion', TEXT);
    fillSelect('#node-input-identity', choices(this, 'keyway-image.identity', [...identities]), this.identity);
    typed('size', SIZE, this._('keyway-image.placeholder.size'));
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
  oneditsave: function () {
    this.entries = nvsRowsIn($('#keyway-image-entries'));
    return undefined;
  },
});

/** The part of the dialog that is about NVS images. */
function prepareNvs(node: EditorNode, operation: JQuery): void {
  const select = (field: string, prefix: string, values: readonly string[]): JQuery =>
    fillSelect(`#node-input-${field}`, choices(node, prefix, [...values]), node[field]);
  const show = (input: JQuery, prefix: string, values: readonly string[]): void =>
    showFor(
      input,
      values.map((value) => `${prefix}-${value}`),
      () => `${prefix}-${String(input.val())}`,
    );
  const action = select('nvsAction', 'keyway-image.nvsAction', nvsActions);
  const from = select('nvsFrom', 'keyway-image.nvsFrom', nvsSources);
  const scheme = select('nvsScheme', 'keyway.nvs.schemes', nvsSchemes);
  nvsTable($('#keyway-image-entries'), node.entries, nvsWords(node, nvsEncodings));
  typed('nvsValue', ['msg', 'str', 'flow', 'global', 'jsonata']);
  typed('nvsSize', SIZE);
  typed('nvsKey', ['msg', 'flow', 'global', 'jsonata']);
  show(action, 'nvs', nvsActions);
  // An image that is built comes from its entries alone.
  const source = (): void => {
    $('.keyway-source').toggle(chosenIn(operation) !== 'nvs' || action.val() === 'list');
  };
  operation.add(action).on('change', source);
  source();
  show(from, 'from', nvsSources);
  show(scheme, 'scheme', nvsSchemes);
}
