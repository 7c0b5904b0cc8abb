import { choices, fillSelect, layOut, showFor } from '../../editor/shared/form.ts';
import { freeName } from '../../editor/shared/names.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import {
  connections,
  defaults,
  encryptions,
  flashSizes,
  lines,
  migrations,
  models,
  secureBoots,
  starts,
} from './config.ts';

RED.nodes.registerType('keyway-virtual-chip', {
  category: 'config',
  // A message may name it: one that no node points at is not left over.
  hasUsers: false,
  defaults: {
    name: { value: 'bench-1' },
    model: { value: 'esp32c3' },
    mac: { value: '' },
    flashSize: { value: '4MB' },
    line: { value: 'auto' },
    flashTiming: { value: false },
    start: { value: 'blank' },
    connection: { value: 'uart' },
    secureBoot: { value: 'off' },
    encryption: { value: 'off' },
    secureDownload: { value: false },
    rfc2217Port: { value: '' },
    tcpPort: { value: '' },
    ptyPath: { value: '' },
    application: { value: false },
    broker: { value: '' },
    est: { value: '' },
    renewPart: { value: '' },
    serverName: { value: '' },
    version: { value: 2 },
  },
  paletteLabel: function () {
    return this._('keyway-virtual-chip.palette');
  },
  label: function () {
    return this.name || this.id;
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults, migrations));
    if (!RED.nodes.node(this.id)) $('#node-config-input-name').val(freeName('keyway-virtual-chip', 'bench'));
    const select = (field: string, values: readonly string[]): JQuery =>
      fillSelect(
        `#node-config-input-${field}`,
        choices(this, `keyway-virtual-chip.${field}`, [...values]),
        this[field],
      );
    const model = select('model', models);
    select('start', starts);
    select('line', lines);
    select('connection', connections);
    select('secureBoot', secureBoots);
    select('encryption', encryptions);
    showFor(model, [...models], () => String(model.val()));
    fillSelect(
      '#node-config-input-flashSize',
      flashSizes.map((size) => ({ value: size, label: size })),
      this.flashSize,
    );
    $('#node-config-input-mac').attr('placeholder', this._('keyway-virtual-chip.placeholder.mac'));
    $('#node-config-input-rfc2217Port, #node-config-input-tcpPort, #node-config-input-ptyPath').attr(
      'placeholder',
      this._('keyway.placeholder.off'),
    );
    $('#node-config-input-broker').attr('placeholder', 'mqtts://127.0.0.1:8883');
    $('#node-config-input-est').attr('placeholder', 'https://127.0.0.1:8443');
    $('#node-config-input-renewPart').attr('placeholder', this._('keyway-virtual-chip.placeholder.renewPart'));
    $('#node-config-input-serverName').attr('placeholder', this._('keyway-virtual-chip.placeholder.serverName'));
    const application = $('#node-config-input-application');
    const show = (): void => void $('.keyway-when-application').toggle(application.prop('checked') === true);
    application.on('change', show);
    show();
    layOut(this._('keyway.label.options'));
  },
});
