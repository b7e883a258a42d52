import * as vscode from 'vscode';

/**
 * What the server says to users, with a number for each value. It speaks English to every editor and to the log; here its
 * sentences are told again in the user's language. A test holds the list and the server's code together. What a model's own
 * files are refused for stays as it is.
 */
export const serverSentences: readonly string[] = [
  'A corpus is a folder on this machine.',
  'A head is set to "zero", "uniform" or "mean".',
  'A relation needs both its spans: decide those first.',
  'A stack is "encoder", "decoder", "cross" or "vision".',
  "An annotator's name has letters, digits, - and _ only, and at most 64 of them.",
  'An answer is a span of the text; another output than the most likely one cannot be named.',
  'Another model has been chosen since.',
  'Attention flow takes too long beyond {0} tokens (here {1}); choose a shorter text, or rollout, which approximates it.',
  'Both runs must have kept predictions; run them with --keep predictions, and index them again.',
  'Cancelled; ask again to compute it.',
  'Cancelled; ask again to measure it.',
  'Choose one layer, one head and the raw weights: a mean has no query and key of its own.',
  'Faithfulness is measured by taking words away; an image has none.',
  'Heads are written as {0}.',
  "Heads cannot be looked for by '{0}'; there are {1}, 'layer N' and 'like LAYER.HEAD'.",
  'Induction, duplicate tokens and stability are measured with random texts that a stack reads by itself: choose the encoder or the decoder.',
  'Leaving tokens out is defined for texts; choose a gradient method for an image.',
  'Loading the model was cancelled; ask again to load it.',
  'No model has been chosen yet.',
  'None of the {0} documents in {1} is this one.',
  'Nothing in this segment is marked as rationale.',
  'One of the two spans has no place in the text.',
  'Only files on this machine can be opened.',
  'Only image files on this machine can be shown.',
  'Output and contrast are the same, {0}.',
  'Reading the file was cancelled; ask again to read it.',
  'Rollout and flow follow one text through its layers; they are not defined for cross-attention.',
  'Save the document first: annotations are kept in a file beside it.',
  'Say which word: a word, /a regular expression/, or a class: {0}.',
  'That annotation has no place in the text.',
  'That annotation is not there any more.',
  "That is another annotator's; only your own annotations can be changed.",
  'The annotations of this document could not be read; the log says why.',
  'The document has changed since.',
  'The document is not open; open it again.',
  'The document of the second text is not open; open it again.',
  'The file of attention has changed since; open it again.',
  'The logit lens reads one score a word or class; an answer is a span of the text.',
  'The method needs the model itself, and attention from a file has none: raw, max, rollout and flow read attention alone.',
  'The model cannot be read: {0}',
  "The model failed; the server's log says why.",
  'The model predicts something for every token; put the cursor on one.',
  'The picture gives every word the same weight, or there is only one: there is no order in which words could be taken away.',
  'The picture has no weight on any word, so there is nothing to be clear about.',
  'The result must not replace one of the sides: choose a third name.',
  'The run kept no attention; run it with --keep heads or --keep edges, and index it again.',
  'The run kept no hidden states; run it with --keep hidden, and index it again.',
  'The text has too few words that could be mistyped (of four letters or more), or is shown only in part.',
  'The text has {0} tokens and {1} reads {2}; a part of it would say nothing about the whole.',
  'The text has {0} tokens, {1} reads {2} at once: shown are tokens {3} to {4}, around the cursor.',
  'The text holds NUL characters: this looks like a binary file, not text.',
  'The text holds no word whose prediction could be explained.',
  'The two sides are one annotator; choose two.',
  'The text {0} is no regular expression that is searched for: {1}.',
  'The two spans are not in one segment, so no head sees both; try a larger segment in the settings.',
  'The two texts have {0} tokens, {1} reads {2} at once: only the beginnings are shown.',
  'The two tokens are too far apart: no window of the model holds both.',
  "The vocabulary of {0} has no token for '{1}'; choose a commoner word.",
  "The word '{0}' does not stand in the corpus.",
  "The word '{0}' does not stand there.",
  "There is no file '{0}', or nothing in it.",
  "There is no file '{0}'.",
  'There is no head {0}; the heads are 0.0 to {1}.',
  "There is no method '{0}'; there are {1}.",
  'There is no output that this method could explain; choose a word, a model with a head, or another method.',
  'There is no such method; there are {0}.',
  'There is no target text for {0} attention; pair this document with one.',
  'There is no text here that the model reads as tokens.',
  'There is no text here.',
  'There is no text here; put the cursor on some text or select it.',
  'There is no text that the answer could be taken from: give a question and its context as a pair.',
  'There is no text to label here; put the cursor on a word or select one.',
  'There is no token {0} to change; there are {1}.',
  'There is no token {0}; there are {1}, counted from 0.',
  'There is not enough memory for this model and text; choose a smaller model or a shorter segment.',
  'This model chooses no word and no class, so none can be named.',
  'What is compared has changed meanwhile; look at it again before you decide.',
  'Which token is to be predicted? Put the cursor on one, or write the mask token into the text.',
  'how the target goes on after “{0}”',
  'the answer',
  'the class of the text',
  'the class of “{0}”',
  'what comes after “{0}”',
  'what stands in place of “{0}”',
  'whether “{0}” was replaced',
  '{0} does not say how images are prepared for it.',
  '{0} explains what the decoder says; choose cross-attention (for the source) or the decoder (for the target).',
  '{0} follows the hidden states of one pass, but this text was read in windows; choose a shorter text.',
  '{0} gave no scores.',
  "{0} has no class '{1}'; it has {2}.",
  '{0} has no head that predicts anything of one text; choose a model with one, or a method that needs no output.',
  '{0} has no head {1}: its heads are 0 to {2}.',
  "{0} has no index; 'attention-lens corpus index {1}' makes one.",
  '{0} has no layer {1}: its layers are 0 to {2}.',
  '{0} has no mask token; replace the token by a word instead.',
  '{0} has no tokenizer.',
  '{0} has no tokenizer; name an output by its number, as in #7.',
  '{0} has no {1} attention.',
  '{0} has no {1}.',
  "{0} is damaged; 'attention-lens corpus index' makes it again.",
  "{0} is no index of a run; 'attention-lens corpus index' makes one.",
  '{0} is not defined for Longformer, whose global tokens have values of their own.',
  '{0} is not defined for a decoder with cross-attention; choose the encoder.',
  '{0} is not defined for cross-attention, which is where an output of {1} reads its source.',
  '{0} is not defined for cross-attention; choose the encoder or the decoder.',
  '{0} keeps no hidden states to compare.',
  '{0} of every position would explain {1} outputs, which takes minutes beyond {2}; look at one token, or choose a shorter text.',
  '{0} reads images, not text; choose another model.',
  '{0} reads text, not images; choose a vision model such as ViT or CLIP.',
  '{0} reads too few tokens to look for repetitions.',
];

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const literals = (sentence: string): string[] => sentence.split(/\{\d+\}/);

/** Those with the most words of their own first: "{0} has no {1}." would take others for itself. */
const patterns = serverSentences
  .map(sentence => ({ sentence, own: literals(sentence).join('').length }))
  .sort((a, b) => b.own - a.own)
  .map(({ sentence }) => ({
    sentence,
    pattern: new RegExp(`^${literals(sentence).map(escaped).join('(.*)')}$`, 's'),
  }));

/** A sentence of the server in the user's language; as it is where it is not known. */
export function inUsersLanguage(said: string): string {
  for (const { sentence, pattern } of patterns) {
    const match = pattern.exec(said);
    if (match) return vscode.l10n.t(sentence, ...match.slice(1));
  }
  return said;
}

/** An answer of the server whose sentences are in the user's language. */
export function withSentences<R>(answer: R): R {
  if (vscode.env.language.startsWith('en') || typeof answer !== 'object' || answer === null) return answer;
  const told = Object.entries(answer).map(([name, value]: [string, unknown]) => {
    if (spoken.has(name)) {
      if (typeof value === 'string') return [name, inUsersLanguage(value)];
      if (Array.isArray(value)) return [name, value.map(one => (typeof one === 'string' ? inUsersLanguage(one) : one))];
    }
    return [name, name === 'results' && Array.isArray(value) ? value.map(withSentences) : value];
  });
  return Object.fromEntries(told) as R;
}

/** The members of answers that hold sentences. */
const spoken: ReadonlySet<string> = new Set(['message', 'problems', 'reason', 'about']);
