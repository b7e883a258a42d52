import { useLayoutEffect, useState } from 'preact/hooks';
import type { Area } from './viewport.js';

/** The inner size of an element in CSS pixels; zero until it is laid out. Give `setElement` as its ref. */
export function useSize<E extends HTMLElement>(): [
  size: Area,
  element: E | null,
  setElement: (element: E | null) => void,
] {
  const [element, setElement] = useState<E | null>(null);
  const [size, setSize] = useState<Area>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [size, element, setElement];
}
