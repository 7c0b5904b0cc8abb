import {
  choices,
  chosenIn,
  fillSelect,
  layOut,
  NUMBER,
  oneOf,
  showFor,
  TEXT,
  typed,
} from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { corrections, defaults, operations } from './config.ts';

RED.nodes.registerType('keyway-record', {
  category: 'Keyway chips',
  color: '#E2D96E',
  icon: 'keyway-record.svg',
  defaults: {
    name: { value: '' },
    operation: { value: 'append' },
    operationType: { value: 'op' },
    record: { value: 'record' },
    recordType: { value: 'msg' },
    file: { value: 'records.csv' },
    fileType: { value: 'str' },
    columns: { value: '' },
    columnsType: { value: 'str' },
    template: { value: '{chip}  {MAC}' },
    templateType: { value: 'str' },
    qr: { value: '{mac}' },
    qrType: { value: 'str' },
    correction: { value: 'M' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-record.palette');
  },
  label: function () {
    const { operation, operationType, file, fileType } = { ...defaults, ...this };
    const words = this._(`keyway-record.words.${operationType === 'op' ? operation : 'any'}`);
    const where = operationType === 'op' && operation === 'append' && fileType === 'str' ? ` ${file}` : '';
    return labelFor(this, `${words}${where}`);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-record.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-record.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    typed('record', ['msg', 'flow', 'global', 'jsonata']);
    typed('file', TEXT, 'records.csv');
    typed(
      'columns',
      ['str', 'json', 'msg', 'flow', 'global', 'env', 'jsonata'],
      this._('keyway-record.placeholder.columns'),
    );
    typed('template', TEXT);
    typed('qr', TEXT, this._('keyway.placeholder.none'));
    fillSelect('#node-input-correction', choices(this, 'keyway-record.correction', [...corrections]), this.correction);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
