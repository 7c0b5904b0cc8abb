import type { Link } from '../../../link/index.ts';
import { Panel, type PanelOptions } from '../../panel/index.ts';
import type { DeviceStatus } from '../device.ts';

/** The port to the readers: opened when it is needed, and kept. */
export class Bus {
  readonly #openPort: () => Promise<Link>;
  readonly #options: PanelOptions;
  #panel: Panel | undefined;
  #status: DeviceStatus['bus'] = { state: 'idle', text: 'The port was not opened yet.' };
  onStatus: () => void = () => undefined;

  constructor(openPort: () => Promise<Link>, options: PanelOptions) {
    this.#openPort = openPort;
    this.#options = options;
  }

  get status(): DeviceStatus['bus'] {
    return this.#status;
  }

  /** @throws what opening the port throws */
  async panel(): Promise<Panel> {
    if (this.#panel !== undefined && !this.#panel.isClosed) return this.#panel;
    let link: Link;
    try {
      link = await this.#openPort();
    } catch (error) {
      this.#tell({ state: 'gone', text: (error as Error).message });
      throw error;
    }
    const panel = new Panel(link, this.#options);
    this.#panel = panel;
    panel.on('gone', (error) => {
      // Gives the port back.
      panel.close().catch(() => undefined);
      if (this.#panel === panel) this.#tell({ state: 'gone', text: error?.message ?? 'The port was closed.' });
    });
    this.#tell({ state: 'open', text: link.info.name });
    return panel;
  }

  async close(): Promise<void> {
    const panel = this.#panel;
    this.#panel = undefined;
    await panel?.close();
  }

  #tell(status: DeviceStatus['bus']): void {
    const { state, text } = this.#status;
    this.#status = status;
    if (state !== status.state || text !== status.text) this.onStatus();
  }
}
