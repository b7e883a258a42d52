;;; One session of a real Emacs with Eglot, as a user has it: open a file, hover a word, see highlights, type, hover again.
;;; The contact is that of docs/editors.md. The file is AL_FILE, the server AL_SERVER; what was seen goes to AL_RESULT as JSON.

(require 'eglot)
(require 'json)

(defvar seen nil)

(defun note (key value)
  (push (cons key value) seen))

(defmacro until-true (what test)
  `(let ((deadline (+ (float-time) 60)))
     (while (not ,test)
       (when (> (float-time) deadline) (error "Waited in vain for %s" ,what))
       (accept-process-output nil 0.05))))

(defun hover ()
  "What Eglot gives to eldoc at point."
  (let ((said nil))
    (eglot-hover-eldoc-function (lambda (text &rest _) (when text (setq said (substring-no-properties text)))))
    (until-true "a hover" said)
    said))

(defun highlighted ()
  "Columns of the tokens that Eglot highlights for the one at point."
  ;; Eglot 1.9 asks for highlights with each hover, later ones on their own.
  (when (fboundp 'eglot-highlight-eldoc-function) (eglot-highlight-eldoc-function #'ignore))
  (let (marks)
    (until-true
     "highlights"
     (setq marks (delq nil (mapcar (lambda (overlay)
                                     (and (eq (overlay-get overlay 'face) 'eglot-highlight-symbol-face)
                                          (list (1- (overlay-start overlay)) (1- (overlay-end overlay)))))
                                   (overlays-in (point-min) (point-max))))))
    (vconcat (mapcar #'vconcat marks))))

(condition-case problem
    (progn
      (add-to-list 'eglot-server-programs
                   `((text-mode markdown-mode)
                     . (,(getenv "AL_SERVER") "serve" "--stdio"
                        :initializationOptions (:layer 0 :head "mean" :segment "sentence"))))
      (setq eglot-sync-connect 60 eglot-autoshutdown nil)
      (find-file (getenv "AL_FILE"))
      (text-mode)
      (apply #'eglot (eglot--guess-contact))
      (until-true "the server" (eglot-current-server))
      (goto-char (+ (point-min) 6))
      (note 'hover (hover))
      (note 'highlights (highlighted))
      (goto-char (point-min))
      (insert "and ")
      (goto-char (1+ (point-min)))
      (eglot--signal-textDocument/didChange)
      (note 'afterTyping (hover))
      (eglot-shutdown (eglot-current-server))
      (note 'ended t))
  (error (note 'problem (error-message-string problem))))

(let ((json-encoding-pretty-print nil))
  (with-temp-file (getenv "AL_RESULT") (insert (json-encode seen))))
(kill-emacs 0)
