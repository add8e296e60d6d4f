// The bench's own program, in three roles: the floor that every subject is compared with, the maker of load, and the
// observer. Standard library only. ../README.md says why this is Go.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	roles := map[string]func([]string) error{"write": write, "load": load, "observe": observe}
	if len(os.Args) < 2 || roles[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: floor write|load|observe --kubeconfig FILE ...")
		os.Exit(2)
	}
	if err := roles[os.Args[1]](os.Args[2:]); err != nil {
		log.Fatalf("floor %s: %v", os.Args[1], err)
	}
}

// flags gives the flag set of a role with what all roles have.
func flags(role string) (*flag.FlagSet, *string, *int) {
	set := flag.NewFlagSet(role, flag.ExitOnError)
	return set, set.String("kubeconfig", "", "file, in JSON"), set.Int("concurrency", 8, "requests at a time")
}
