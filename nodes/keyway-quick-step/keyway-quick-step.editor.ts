import {
  choices,
  chosenIn,
  fillSelect,
  layOut,
  NUMBER,
  oneOf,
  SWITCH,
  showFor,
  TEXT,
  typed,
} from '../../editor/shared/form.ts';
import { labelFor, nameOf, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { baudRates, buses, defaults, operations } from './config.ts';

RED.nodes.registerType('keyway-quick-step', {
  category: 'Keyway OSDP',
  color: '#E9967A',
  icon: 'keyway-quick-step.svg',
  defaults: {
    name: { value: '' },
    provisioner: { value: '', type: 'keyway-provisioner', required: true },
    operation: { value: 'step' },
    operationType: { value: 'op' },
    address: { value: 'step.address' },
    addressType: { value: 'msg' },
    baudRate: { value: 'step.baudRate' },
    baudRateType: { value: 'msg' },
    serial: { value: '' },
    serialType: { value: 'str' },
    queueName: { value: 'live' },
    queueNameType: { value: 'str' },
    bus: { value: 'multi' },
    busType: { value: 'op' },
    capabilities: { value: '' },
    capabilitiesType: { value: 'str' },
    attempt: { value: '0' },
    attemptType: { value: 'num' },
    autoVerify: { value: 'true' },
    autoVerifyType: { value: 'bool' },
    factoryAddress: { value: '0' },
    factoryAddressType: { value: 'num' },
    factoryBaudRate: { value: '9600' },
    factoryBaudRateType: { value: 'op' },
    whenBusy: { value: 'queue' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 2,
  paletteLabel: function () {
    return this._('keyway-quick-step.palette');
  },
  label: function () {
    const { operation, operationType } = { ...defaults, ...this };
    const words = this._(`keyway-quick-step.words.${operationType === 'op' ? operation : 'step'}`);
    const provisioner = RED.nodes.node(String(this.provisioner ?? ''));
    return labelFor(this, provisioner ? `${words} @ ${nameOf(provisioner)}` : words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function (index) {
    return this._(`keyway-quick-step.output.${index === 1 ? 'progress' : 'result'}`);
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-quick-step.operation', [...operations])));
    const rates = oneOf(baudRates.map((rate) => ({ value: String(rate), label: String(rate) })));
    typed('address', NUMBER);
    typed('baudRate', rates, '9600');
    typed('serial', TEXT, this._('keyway-quick-step.placeholder.serial'));
    typed('queueName', TEXT);
    typed('bus', oneOf(choices(this, 'keyway-quick-step.bus', [...buses])));
    typed('capabilities', [...TEXT, 'json'], this._('keyway-quick-step.placeholder.capabilities'));
    typed('attempt', NUMBER);
    typed('autoVerify', SWITCH);
    typed('factoryAddress', NUMBER);
    typed('factoryBaudRate', rates);
    fillSelect('#node-input-whenBusy', choices(this, 'keyway-quick-step.whenBusy', ['queue', 'refuse']), this.whenBusy);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    layOut(this._('keyway.label.options'));
  },
});
