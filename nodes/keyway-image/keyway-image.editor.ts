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
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, operations, whats } from './config.ts';

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
    size: { value: '' },
    sizeType: { value: 'str' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
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
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-image.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    fillSelect('#node-input-what', choices(this, 'keyway-image.what', [...whats]), this.what);
    typed('chip', TEXT, this._('keyway-image.placeholder.chip'));
    typed('source', ['msg', 'str', 'flow', 'global', 'env', 'jsonata']);
    typed('project', TEXT);
    typed('imageVersion', TEXT);
    typed('size', SIZE, this._('keyway-image.placeholder.size'));
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
