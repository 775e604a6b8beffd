// Preact, its hooks and htm under the names that everything here imports.

const { h, render, Fragment, createContext } = window.preact;
const { useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useId, useErrorBoundary } =
  window.preactHooks;

/// Markup: html`<p class="quiet">${text}</p>`. Text is text, whatever it holds.
export const html = window.htm.bind(h);

export {
  Fragment, createContext, render, useCallback, useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo,
  useRef, useState,
};

/// The class names that are true: classes('tab', isOpen && 'open').
export function classes(...names) {
  return names.filter(Boolean).join(' ');
}
