import type { PanelCommand } from '../shared/panel.js';
import { t } from './strings.js';
import type { Transport } from './transport.js';

interface NoticeProps {
  readonly kind: 'loading' | 'empty' | 'failed';
  readonly message?: string;
  readonly transport: Transport;
  readonly onRetry?: () => void;
}

/** What stands in place of a picture: why there is none, and what to do. */
export function Notice({ kind, message, transport, onRetry }: NoticeProps) {
  const run = (command: PanelCommand) => () => transport.send({ type: 'command', command });
  if (kind === 'loading') {
    return (
      <div class="notice" role="status" data-state="loading">
        <div class="progress" />
        <p>{t('loading')}</p>
      </div>
    );
  }
  const isEmpty = kind === 'empty';
  return (
    <div class="notice" role={isEmpty ? 'status' : 'alert'} data-state={kind}>
      <span class={`codicon codicon-${isEmpty ? 'eye-closed' : 'error'}`} aria-hidden="true" />
      <h1>{isEmpty ? t('emptyTitle') : t('failedTitle')}</h1>
      <p>{message || (isEmpty ? t('emptyText') : '')}</p>
      <div class="actions">
        {isEmpty ? (
          <button type="button" onClick={run('showAttention')}>
            {t('showAttention')}
          </button>
        ) : (
          <>
            <button type="button" onClick={onRetry}>
              {t('retry')}
            </button>
            <button type="button" class="secondary" onClick={run('showLogs')}>
              {t('showLogs')}
            </button>
            <button type="button" class="secondary" onClick={run('restartServer')}>
              {t('restartServer')}
            </button>
          </>
        )}
      </div>
    </div>
  );
}
