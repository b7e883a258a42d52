/** The part of the protocol that is about annotations, as docs/protocol.md describes it. */
import type { Position, Range, Result, ViewChoice } from './protocol.js';

interface Document {
  readonly textDocument: { readonly uri: string };
}

export type AnnotationKind = 'span' | 'relation' | 'document';
export type AnchorState = 'anchored' | 'review' | 'orphan';
export type AnnotationStatus = 'accepted' | 'suggested' | 'rejected';
export type Attributes = Readonly<Record<string, string>>;

export interface Annotation {
  readonly id: string;
  readonly kind: AnnotationKind;
  readonly label: string;
  readonly state: AnchorState;
  readonly status: AnnotationStatus;
  /** True: can be changed; another annotator's can only be read. */
  readonly own: boolean;
  readonly ranges: readonly Range[];
  readonly quote?: string;
  readonly annotator?: string;
  readonly from?: string;
  readonly to?: string;
  readonly attributes?: Attributes;
  readonly source?: string;
  readonly score?: number;
  readonly shown?: boolean;
  readonly time?: string;
}

export interface Label {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  /** "#rrggbb", or a name of the palette. */
  readonly color?: string;
  readonly key?: string;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
}

export interface LabelAttribute {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly on?: readonly string[];
  readonly values?: readonly string[];
  readonly default?: string;
}

export interface LabelSet {
  readonly path?: string;
  readonly spans: readonly Label[];
  readonly relations: readonly Label[];
  readonly documents: readonly Label[];
  readonly attributes: readonly LabelAttribute[];
  readonly problems?: readonly string[];
}

export interface AnnotationsResult extends Result {
  readonly annotations: readonly Annotation[];
  readonly labels: LabelSet;
  readonly annotator?: string;
  readonly others?: readonly string[];
  readonly approved: boolean;
  readonly undo?: string;
  readonly redo?: string;
  readonly problems?: readonly string[];
}

export interface NewAnnotation {
  readonly kind: AnnotationKind | 'approval';
  readonly label: string;
  readonly ranges?: readonly Range[];
  readonly from?: string;
  readonly to?: string;
  readonly attributes?: Attributes;
  readonly status?: 'suggested';
  readonly source?: string;
  readonly score?: number;
}

export interface AnnotationChange {
  readonly id: string;
  readonly label?: string;
  readonly ranges?: readonly Range[];
  readonly attributes?: Attributes;
  readonly status?: AnnotationStatus;
  readonly shown?: boolean;
}

/** All of it happens or none, and undo takes it back as one. */
export interface AnnotateParams extends Document {
  readonly version?: number;
  readonly add?: readonly NewAnnotation[];
  readonly change?: readonly AnnotationChange[];
  readonly remove?: readonly string[];
  readonly title?: string;
}

export interface AnnotateResult extends Result {
  readonly ids?: readonly string[];
  readonly title?: string;
}

export interface NextAnnotationParams extends Document {
  readonly position: Position;
  readonly kind: 'suggestion' | 'review' | 'orphan' | 'unlabelled' | 'label';
  readonly after?: string;
  readonly label?: string;
  readonly backward?: boolean;
  readonly order?: 'position' | 'uncertain';
}

export interface NextAnnotationResult extends Result {
  readonly id?: string;
  readonly range?: Range;
  readonly count?: number;
}

export interface SimilarSpan {
  readonly range: Range;
  readonly text: string;
  readonly source: 'exact' | 'similar';
  readonly score: number;
}

export interface InconsistentText {
  readonly text: string;
  readonly labels: Readonly<Record<string, number>>;
  readonly unlabelled: readonly Range[];
}

export interface RelationHead {
  readonly layer: number;
  readonly head: number;
  readonly forward: number;
  readonly backward: number;
}

export interface RelationCandidatesResult extends Result {
  readonly heads?: readonly RelationHead[];
  /** What a head that looks everywhere alike would give. */
  readonly uniform?: number;
}

export interface Measure {
  readonly value: number;
  readonly chance: number;
}

export interface RationaleResult extends Result {
  readonly range?: Range;
  readonly view?: ViewChoice;
  readonly tokens?: number;
  readonly marked?: number;
  readonly chosen?: number;
  readonly auprc?: Measure;
  readonly tokenF1?: Measure;
  readonly iouF1?: Measure;
  readonly strongest?: readonly Range[];
}

export interface CorpusDocument {
  readonly uri: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, number>>;
  readonly suggested: number;
  readonly review: number;
  readonly orphans: number;
  readonly approved: boolean;
  readonly uncertainty?: number;
  readonly disagreement?: number;
}

export interface AnnotatedCorpusResult extends Result {
  readonly folder?: string;
  readonly documents?: readonly CorpusDocument[];
}

export interface ExchangeParams extends Document {
  readonly format: string;
  readonly path: string;
}

export interface ExchangeResult extends Result {
  readonly count?: number;
  readonly losses?: readonly string[];
}

export type Choice = 'open' | 'left' | 'right' | 'both' | 'neither';

/** Two annotators and the third, who holds what is decided; absent = the one without a name. */
export interface AdjudicationNames {
  readonly left?: string;
  readonly right?: string;
  readonly into?: string;
}

export interface AdjudicationParams extends Document, AdjudicationNames {
  /** What both say alike is listed too. */
  readonly agreed?: boolean;
}

export interface AdjudicationDecision {
  /** Ids; absent where that side has nothing. */
  readonly left?: string;
  readonly right?: string;
  readonly choice: Choice;
  readonly stamp?: string;
}

export interface AdjudicateParams extends AdjudicationParams {
  readonly decisions?: readonly AdjudicationDecision[];
  readonly allOpen?: Choice;
  readonly title?: string;
}

export interface AdjudicationPair {
  readonly difference: 'none' | 'attributes' | 'label' | 'extent' | 'labelAndExtent' | 'onlyLeft' | 'onlyRight';
  readonly choice: Choice;
  readonly stamp: string;
  readonly left?: Annotation;
  readonly right?: Annotation;
  readonly taken?: readonly Annotation[];
}

export interface AdjudicationResult extends Result {
  readonly pairs: readonly AdjudicationPair[];
  readonly agreed: number;
  readonly unwritten: number;
  readonly changed?: readonly AdjudicationDecision[];
  readonly problems?: readonly string[];
}

export interface AnnotationsChanged {
  readonly uri: string;
  readonly message?: string;
}

export const annotationsChangedNotification = 'attentionLens/annotationsChanged';

/** Method name -> parameters and result. */
export interface AnnotationRequests {
  'attentionLens/annotations': { params: Document; result: AnnotationsResult };
  'attentionLens/annotate': { params: AnnotateParams; result: AnnotateResult };
  'attentionLens/annotationHistory': { params: Document & { readonly redo: boolean }; result: AnnotateResult };
  'attentionLens/nextAnnotation': { params: NextAnnotationParams; result: NextAnnotationResult };
  'attentionLens/similarSpans': {
    params: Document & { readonly id: string; readonly similar?: boolean; readonly limit?: number };
    result: Result & { readonly spans?: readonly SimilarSpan[] };
  };
  'attentionLens/labelConsistency': {
    params: Document & { readonly label?: string };
    result: Result & { readonly texts?: readonly InconsistentText[] };
  };
  'attentionLens/relationCandidates': {
    params: Document & { readonly from: string; readonly to: string; readonly view?: ViewChoice };
    result: RelationCandidatesResult;
  };
  'attentionLens/rationale': {
    params: Document & {
      readonly position: Position;
      readonly view?: ViewChoice;
      readonly label?: string;
      readonly scores?: 'received' | 'first';
      readonly chosen?: number;
    };
    result: RationaleResult;
  };
  'attentionLens/annotatedCorpus': { params: { readonly folder: string }; result: AnnotatedCorpusResult };
  'attentionLens/adjudication': { params: AdjudicationParams; result: AdjudicationResult };
  'attentionLens/adjudicate': { params: AdjudicateParams; result: AdjudicationResult };
  'attentionLens/exportAnnotations': { params: ExchangeParams; result: ExchangeResult };
  'attentionLens/importAnnotations': { params: ExchangeParams; result: ExchangeResult };
}
