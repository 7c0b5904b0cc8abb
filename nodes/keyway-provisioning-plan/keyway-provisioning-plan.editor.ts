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
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { baudRates, buses, defaults, sources, strategies } from './config.ts';

RED.nodes.registerType('keyway-provisioning-plan', {
  category: 'Keyway OSDP',
  color: '#E9967A',
  icon: 'keyway-provisioning-plan.svg',
  defaults: {
    name: { value: '' },
    source: { value: 'fields' },
    json: { value: 'payload' },
    jsonType: { value: 'msg' },
    profileName: { value: 'readers' },
    profileNameType: { value: 'str' },
    count: { value: '4' },
    countType: { value: 'num' },
    strategy: { value: 'sequential' },
    strategyType: { value: 'op' },
    startAddress: { value: '1' },
    startAddressType: { value: 'num' },
    addresses: { value: '' },
    addressesType: { value: 'str' },
    baudRate: { value: '9600' },
    baudRateType: { value: 'op' },
    capabilities: { value: '' },
    capabilitiesType: { value: 'str' },
    attempt: { value: '0' },
    attemptType: { value: 'num' },
    autoVerify: { value: 'true' },
    autoVerifyType: { value: 'bool' },
    autonomous: { value: 'false' },
    autonomousType: { value: 'bool' },
    armingHours: { value: '8' },
    armingHoursType: { value: 'num' },
    bus: { value: 'multi' },
    busType: { value: 'op' },
    factoryAddress: { value: '0' },
    factoryAddressType: { value: 'num' },
    factoryBaudRate: { value: '9600' },
    factoryBaudRateType: { value: 'op' },
    serials: { value: '' },
    serialsType: { value: 'str' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-provisioning-plan.palette');
  },
  label: function () {
    const { count, countType, strategy, strategyType } = { ...defaults, ...this };
    const fixed = countType === 'num' && strategyType === 'op' && String(strategy) !== 'manual';
    const words = this.source === 'json' ? 'json' : fixed ? 'many' : 'any';
    return labelFor(this, this._(`keyway-provisioning-plan.words.${words}`, { count: String(count) }));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-provisioning-plan.output.plan');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const source = fillSelect(
      '#node-input-source',
      choices(this, 'keyway-provisioning-plan.source', [...sources]),
      this.source,
    );
    const rates = oneOf(baudRates.map((rate) => ({ value: String(rate), label: String(rate) })));
    typed('json', ['msg', 'str', 'json', 'flow', 'global', 'jsonata']);
    typed('profileName', TEXT);
    typed('count', NUMBER);
    const strategy = typed('strategy', oneOf(choices(this, 'keyway-provisioning-plan.strategy', [...strategies])));
    typed('startAddress', NUMBER);
    typed('addresses', [...TEXT, 'json'], '5, 7, 12');
    typed('baudRate', rates);
    typed('capabilities', [...TEXT, 'json'], this._('keyway-provisioning-plan.placeholder.capabilities'));
    typed('attempt', NUMBER);
    typed('autoVerify', SWITCH);
    typed('autonomous', SWITCH);
    typed('armingHours', NUMBER);
    typed('bus', oneOf(choices(this, 'keyway-provisioning-plan.bus', [...buses])));
    typed('factoryAddress', NUMBER);
    typed('factoryBaudRate', rates);
    typed('serials', [...TEXT, 'json'], this._('keyway-provisioning-plan.placeholder.serials'));
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    showFor(strategy, [...strategies, 'elsewhere'], () => chosenIn(strategy));
    showFor(source, [...sources], () => String(source.val()));
    layOut(this._('keyway.label.options'));
  },
});
