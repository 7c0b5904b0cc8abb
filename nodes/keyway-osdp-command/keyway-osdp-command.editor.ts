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
import { addedSecurities, colors, defaults, operations, outputActions } from './config.ts';

RED.nodes.registerType('keyway-osdp-command', {
  category: 'Keyway OSDP',
  color: '#E9967A',
  icon: 'keyway-osdp-command.svg',
  defaults: {
    name: { value: '' },
    bus: { value: '', type: 'keyway-osdp-bus', required: true },
    operation: { value: 'identify' },
    operationType: { value: 'op' },
    address: { value: 'reader.address' },
    addressType: { value: 'msg' },
    baudRate: { value: 'reader.baudRate' },
    baudRateType: { value: 'msg' },
    color: { value: 'green' },
    colorType: { value: 'op' },
    seconds: { value: '5' },
    secondsType: { value: 'num' },
    blink: { value: 'true' },
    blinkType: { value: 'bool' },
    number: { value: '0' },
    numberType: { value: 'num' },
    text: { value: 'payload' },
    textType: { value: 'msg' },
    outputAction: { value: 'pulse' },
    outputActionType: { value: 'op' },
    code: { value: '0x64' },
    codeType: { value: 'str' },
    data: { value: '' },
    dataType: { value: 'str' },
    security: { value: 'clear' },
    securityType: { value: 'op' },
    key: { value: 'reader.key' },
    keyType: { value: 'msg' },
    whenBusy: { value: 'queue' },
    timeout: { value: '30' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-osdp-command.palette');
  },
  label: function () {
    const { operation, operationType } = { ...defaults, ...this };
    const words = this._(
      operationType === 'op' ? `keyway-osdp-command.operation.${operation}` : 'keyway-osdp-command.words',
    );
    const bus = typeof this.bus === 'string' ? RED.nodes.node(this.bus) : undefined;
    return labelFor(this, bus ? `${words} @ ${nameOf(bus)}` : words);
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-osdp-command.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const operation = typed('operation', oneOf(choices(this, 'keyway-osdp-command.operation', [...operations])));
    showFor(operation, [...operations, 'elsewhere'], () => chosenIn(operation));
    typed('address', NUMBER);
    typed('baudRate', NUMBER, this._('keyway-osdp-command.placeholder.baudRate'));
    typed('color', oneOf(choices(this, 'keyway-osdp-command.color', [...colors])));
    typed('blink', SWITCH);
    typed('seconds', NUMBER, this._('keyway-osdp-command.placeholder.seconds'));
    typed('number', NUMBER);
    typed('text', TEXT);
    typed('outputAction', oneOf(choices(this, 'keyway-osdp-command.outputAction', [...outputActions])));
    typed('code', TEXT);
    typed('data', [...TEXT, 'bin'], this._('keyway-osdp-command.placeholder.data'));
    typed('security', oneOf(choices(this, 'keyway-osdp-command.security', [...addedSecurities])));
    typed('key', ['msg', 'flow', 'global', 'jsonata']);
    fillSelect('#node-input-whenBusy', choices(this, 'keyway.whenBusy', ['queue', 'refuse']), this.whenBusy);
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
});
