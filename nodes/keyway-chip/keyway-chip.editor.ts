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
import { defaults, migrations, operations } from './config.ts';

RED.nodes.registerType('keyway-chip', {
  category: 'Keyway chips',
  color: '#E2D96E',
  icon: 'keyway-chip.svg',
  defaults: {
    name: { value: '' },
    port: { value: '', type: 'keyway-port', required: false },
    operation: { value: 'detect' },
    operationType: { value: 'op' },
    whole: { value: false },
    offset: { value: '0x0' },
    offsetType: { value: 'str' },
    size: { value: '' },
    sizeType: { value: 'str' },
    partition: { value: 'nvs' },
    partitionType: { value: 'str' },
    nvsKey: { value: 'device.nvsKey' },
    nvsKeyType: { value: 'msg' },
    raw: { value: false },
    baudRate: { value: '460800' },
    baudRateType: { value: 'num' },
    resetAfter: { value: true },
    whenBusy: { value: 'queue' },
    timeout: { value: '120' },
    timeoutType: { value: 'num' },
    version: { value: 2 },
  },
  inputs: 1,
  outputs: 2,
  paletteLabel: function () {
    return this._('keyway-chip.palette');
  },
  label: function () {
    const { operation, operationType } = { ...defaults, ...this };
    const words = this._(`keyway-chip.words.${operationType === 'op' ? operation : 'any'}`);
    return labelFor(this, words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function (index) {
    return this._(`keyway-chip.output.${['result', 'progress'][index]}`);
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults, migrations));
    const operation = typed('operation', oneOf(choices(this, 'keyway-chip.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    typed('offset', SIZE);
    typed('size', SIZE, this._('keyway-chip.placeholder.size'));
    typed('partition', TEXT);
    typed('nvsKey', ['msg', 'flow', 'global', 'jsonata']);
    typed('baudRate', NUMBER);
    fillSelect('#node-input-whenBusy', choices(this, 'keyway.whenBusy', ['queue', 'refuse']), this.whenBusy);
    const whole = $('#node-input-whole');
    whole.on('change', () => $('.keyway-range').toggle(!whole.is(':checked'))).trigger('change');
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
