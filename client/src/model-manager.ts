import * as vscode from 'vscode';
import type { InstalledModel, ServerRequests } from '../shared/protocol.js';
import { type RecommendedModel, recommendedModels } from './recommended-models.js';
import { type Server, ServerError } from './server.js';
import { section } from './settings.js';

type Node =
  | { readonly kind: 'place'; readonly place: InstalledModel['place']; readonly models: readonly InstalledModel[] }
  | { readonly kind: 'model'; readonly model: InstalledModel };

const places: readonly InstalledModel['place'][] = ['embedded', 'cache', 'ollama', 'llamaCpp'];

/** The models on this machine: a tree of them, and the commands that choose, fetch, check and remove one. */
export class ModelManager implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly view: vscode.TreeView<Node>;
  private readonly subscriptions: vscode.Disposable[];

  readonly onDidChangeTreeData = this.changed.event;

  constructor(private readonly server: Server) {
    this.view = vscode.window.createTreeView('attentionLens.models', { treeDataProvider: this });
    let used: string | undefined;
    this.subscriptions = [
      this.changed,
      this.view,
      server.onDidReport(({ model, busy }) => {
        if (busy || model?.name === used) return;
        used = model?.name;
        this.changed.fire();
      }),
    ];
  }

  /** Command name -> what it does; a model of the tree is its argument, and from the palette it is asked for. */
  readonly commands: Record<string, (argument?: unknown) => Promise<void> | void> = {
    selectModel: () => this.select(),
    useModel: argument => this.use(nameOf(argument)),
    pullModel: () => this.pull(),
    checkModel: async argument => this.check(nameOf(argument) ?? (await this.ask())?.name),
    removeModel: argument => this.remove(nameOf(argument)),
    refreshModels: () => this.changed.fire(),
    copyModelPath: async argument => {
      if (isModelNode(argument)) await vscode.env.clipboard.writeText(argument.model.path);
    },
  };

  async getChildren(parent?: Node): Promise<Node[]> {
    if (parent?.kind === 'place') return parent.models.map(model => ({ kind: 'model', model }));
    if (parent) return [];
    const models = await this.installed();
    return places
      .map(place => ({ kind: 'place' as const, place, models: models.filter(model => model.place === place) }))
      .filter(({ models: found }) => found.length > 0);
  }

  getTreeItem(node: Node): vscode.TreeItem {
    if (node.kind === 'place') {
      const item = new vscode.TreeItem(placeLabel(node.place), vscode.TreeItemCollapsibleState.Expanded);
      item.contextValue = 'place';
      return item;
    }
    const { model } = node;
    const item = new vscode.TreeItem(model.name);
    item.id = model.name;
    item.description = model.inUse ? vscode.l10n.t('{0}, in use', size(model.bytes)) : size(model.bytes);
    item.tooltip = model.path;
    item.iconPath = new vscode.ThemeIcon(model.inUse ? 'check' : 'chip');
    item.contextValue = `model.${model.place}${model.inUse ? '.used' : ''}`;
    item.accessibilityInformation = { label: `${model.name}, ${item.description}` };
    return item;
  }

  private async installed(): Promise<readonly InstalledModel[]> {
    const answer = await this.request('attentionLens/models', {});
    return answer?.models ?? [];
  }

  private async select(): Promise<void> {
    const models = await this.installed();
    type Item = vscode.QuickPickItem & { readonly act?: () => Promise<void> };
    const items: Item[] = models.map(model => ({
      label: model.name,
      description: model.inUse ? vscode.l10n.t('{0}, in use', size(model.bytes)) : size(model.bytes),
      detail: placeLabel(model.place),
      act: () => this.use(model.name),
    }));
    items.push(
      { label: '', kind: vscode.QuickPickItemKind.Separator },
      {
        label: `$(folder-opened) ${vscode.l10n.t('Choose a folder or GGUF file…')}`,
        act: () => this.useFile(),
      },
      { label: `$(cloud-download) ${vscode.l10n.t('Download from the Hub…')}`, act: () => this.pull() },
    );
    const chosen = await vscode.window.showQuickPick(items, {
      title: vscode.l10n.t('Choose a model'),
      matchOnDetail: true,
    });
    await chosen?.act?.();
  }

  private async useFile(): Promise<void> {
    const [chosen] =
      (await vscode.window.showOpenDialog({
        canSelectFiles: true,
        canSelectFolders: true,
        openLabel: vscode.l10n.t('Use this model'),
      })) ?? [];
    if (chosen) await this.use(chosen.fsPath);
  }

  private async use(name: string | undefined): Promise<void> {
    if (name === undefined) return this.select();
    const configuration = vscode.workspace.getConfiguration(section);
    // A workspace that says a model of its own would hide the user's.
    const target =
      configuration.inspect('model')?.workspaceValue === undefined
        ? vscode.ConfigurationTarget.Global
        : vscode.ConfigurationTarget.Workspace;
    await configuration.update('model', name, target);
    await this.server.start();
  }

  private async pull(): Promise<void> {
    if (!vscode.workspace.isTrusted) {
      throw new ServerError(vscode.l10n.t('Models are downloaded only in a trusted workspace.'));
    }
    const name = await this.askHubName();
    if (!name) return;
    const answer = await this.request('attentionLens/pullModel', { name });
    if (!answer) return;
    this.changed.fire();
    const use = vscode.l10n.t('Use It');
    if ((await vscode.window.showInformationMessage(vscode.l10n.t('{0} is downloaded.', name), use)) === use) {
      await this.use(name);
    }
  }

  /** One of those recommended, or whatever is typed. */
  private askHubName(): Promise<string | undefined> {
    const pick = vscode.window.createQuickPick();
    pick.title = vscode.l10n.t('Download a model from the Hub');
    pick.placeholder = vscode.l10n.t('ORGANISATION/NAME, or one of these');
    pick.matchOnDescription = true;
    pick.matchOnDetail = true;
    const items = recommendedModels.map(recommendedItem);
    pick.items = items;
    return new Promise(resolve => {
      pick.onDidChangeValue(value => {
        const typed = value.trim();
        const isNew = typed !== '' && !recommendedModels.some(({ name }) => name === typed);
        pick.items = isNew ? [{ label: typed, alwaysShow: true }, ...items] : items;
      });
      pick.onDidAccept(() => {
        resolve(pick.selectedItems[0]?.label);
        pick.hide();
      });
      pick.onDidHide(() => {
        resolve(undefined);
        pick.dispose();
      });
      pick.show();
    });
  }

  private async check(name: string | undefined): Promise<void> {
    if (name === undefined) return;
    const found = await this.request('attentionLens/checkModel', { name });
    if (!found) return;
    void vscode.window.showInformationMessage(
      vscode.l10n.t(
        '{0} works: {1}, layers: {2}, parameters: {3} million{4}.',
        name,
        found.modelType,
        found.layers,
        (found.parameters / 1e6).toFixed(1),
        found.hasTokenizer ? '' : vscode.l10n.t(', without a tokenizer'),
      ),
    );
  }

  private async remove(name: string | undefined): Promise<void> {
    const removed = name ?? (await this.ask('cache'))?.name;
    if (removed === undefined) return;
    const yes = vscode.l10n.t('Remove');
    const question = vscode.l10n.t('Remove {0} from the Hugging Face cache?', removed);
    const detail = vscode.l10n.t('Other programs that use this cache will have to download it again.');
    if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, yes)) !== yes) return;
    const answer = await this.request('attentionLens/removeModel', { name: removed });
    this.changed.fire();
    if (answer)
      vscode.window.setStatusBarMessage(
        vscode.l10n.t('{0} is removed; {1} are free.', removed, size(answer.bytes)),
        5000,
      );
  }

  private async ask(place?: InstalledModel['place']): Promise<InstalledModel | undefined> {
    const models = (await this.installed()).filter(model => place === undefined || model.place === place);
    if (models.length === 0) throw new ServerError(vscode.l10n.t('There is no model in the Hugging Face cache.'));
    const chosen = await vscode.window.showQuickPick(
      models.map(model => ({ label: model.name, description: size(model.bytes), model })),
      { title: vscode.l10n.t('Choose a model') },
    );
    return chosen?.model;
  }

  /** Cancelling is the server's own progress notification's. */
  private async request<M extends keyof ServerRequests>(
    method: M,
    params: ServerRequests[M]['params'],
  ): Promise<ServerRequests[M]['result'] | undefined> {
    const source = new vscode.CancellationTokenSource();
    try {
      return await this.server.request(method, params, source.token);
    } finally {
      source.dispose();
    }
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }
}

const isModelNode = (value: unknown): value is Node & { kind: 'model' } =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'model';

const nameOf = (value: unknown): string | undefined => (isModelNode(value) ? value.model.name : undefined);

const size = (bytes: number): string =>
  bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;

const placeLabel = (place: InstalledModel['place']): string =>
  ({
    embedded: vscode.l10n.t('With the extension'),
    cache: vscode.l10n.t('Hugging Face cache'),
    ollama: vscode.l10n.t('Ollama'),
    llamaCpp: vscode.l10n.t('llama.cpp'),
  })[place];

const taskLabel = (task: RecommendedModel['task']): string =>
  ({
    encoder: vscode.l10n.t('English encoder'),
    multilingual: vscode.l10n.t('multilingual encoder'),
    chinese: vscode.l10n.t('Chinese encoder'),
    code: vscode.l10n.t('encoder for source code'),
    decoder: vscode.l10n.t('decoder'),
    translation: vscode.l10n.t('translation'),
    qa: vscode.l10n.t('question answering'),
    vision: vscode.l10n.t('images'),
  })[task];

const recommendedItem = ({ name, task, megabytes, licence }: RecommendedModel): vscode.QuickPickItem => ({
  label: name,
  description: taskLabel(task),
  detail: vscode.l10n.t('about {0} MB, licence: {1}', megabytes, licence),
});
