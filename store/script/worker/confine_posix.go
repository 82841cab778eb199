//go:build unix && !linux

package worker

// confine gives up what the process could reach, as far as the kernel allows, and limits its
// memory.
func confine(memory int64) { limitResources(memory) }
