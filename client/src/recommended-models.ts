/** A model of the Hub that works here, by what people want it for. Megabytes are of the download, rounded, as the Hub lists them. */
export interface RecommendedModel {
  readonly name: string;
  readonly task: 'encoder' | 'multilingual' | 'chinese' | 'code' | 'decoder' | 'translation' | 'qa' | 'vision';
  readonly megabytes: number;
  readonly licence: string;
}

/** `docs/models.md` has the same list; a test keeps them together. */
export const recommendedModels: readonly RecommendedModel[] = [
  { name: 'google-bert/bert-base-uncased', task: 'encoder', megabytes: 440, licence: 'Apache-2.0' },
  { name: 'distilbert/distilbert-base-uncased', task: 'encoder', megabytes: 268, licence: 'Apache-2.0' },
  { name: 'FacebookAI/roberta-base', task: 'encoder', megabytes: 499, licence: 'MIT' },
  { name: 'google-bert/bert-base-multilingual-cased', task: 'multilingual', megabytes: 714, licence: 'Apache-2.0' },
  { name: 'FacebookAI/xlm-roberta-base', task: 'multilingual', megabytes: 1116, licence: 'MIT' },
  { name: 'google-bert/bert-base-chinese', task: 'chinese', megabytes: 412, licence: 'Apache-2.0' },
  { name: 'huggingface/CodeBERTa-small-v1', task: 'code', megabytes: 334, licence: 'not stated' },
  { name: 'openai-community/gpt2', task: 'decoder', megabytes: 548, licence: 'MIT' },
  { name: 'EleutherAI/pythia-70m', task: 'decoder', megabytes: 166, licence: 'Apache-2.0' },
  { name: 'HuggingFaceTB/SmolLM2-135M', task: 'decoder', megabytes: 269, licence: 'Apache-2.0' },
  { name: 'google-t5/t5-small', task: 'translation', megabytes: 242, licence: 'Apache-2.0' },
  { name: 'distilbert/distilbert-base-cased-distilled-squad', task: 'qa', megabytes: 261, licence: 'Apache-2.0' },
  { name: 'google/vit-base-patch16-224', task: 'vision', megabytes: 346, licence: 'Apache-2.0' },
  { name: 'openai/clip-vit-base-patch32', task: 'vision', megabytes: 605, licence: 'not stated' },
];
