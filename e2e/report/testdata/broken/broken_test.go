// Package broken does not compile.
package broken

func TestNothing() { return 1 }
