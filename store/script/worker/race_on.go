//go:build race

package worker

// raceDetector says that the race detector is part of the program.
const raceDetector = true
