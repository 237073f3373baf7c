// Package browser drives the page of real nodes with a real Chromium, by
// playwright-core in a child process. It needs the flag -browser, Chromium, node
// and npm; make browser sees to them.
package browser
