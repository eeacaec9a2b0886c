package chart

import (
	"regexp/syntax"
	"slices"
)

// maxWords is how many words a regular expression may stand for to be one of words.
const maxWords = 200

// language lists the words that a regular expression matches as a whole, ^(a|b)$; false
// where they are many, or where it matches within other words.
func language(pattern string) ([]string, bool) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || parsed.Op != syntax.OpConcat || len(parsed.Sub) < 2 ||
		parsed.Sub[0].Op != syntax.OpBeginText || parsed.Sub[len(parsed.Sub)-1].Op != syntax.OpEndText {
		return nil, false
	}
	found, ok := sequences(parsed.Sub[1 : len(parsed.Sub)-1])
	slices.Sort(found)
	return slices.Compact(found), ok
}

// sequences are the words of some expressions, one after the other.
func sequences(parts []*syntax.Regexp) ([]string, bool) {
	found := []string{""}
	for _, part := range parts {
		tails, ok := words(part)
		if !ok || len(found)*len(tails) > maxWords {
			return nil, false
		}
		var longer []string
		for _, head := range found {
			for _, tail := range tails {
				longer = append(longer, head+tail)
			}
		}
		found = longer
	}
	return found, true
}

func words(expression *syntax.Regexp) ([]string, bool) {
	switch expression.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpLiteral:
		return []string{string(expression.Rune)}, expression.Flags&syntax.FoldCase == 0
	case syntax.OpCharClass:
		return letters(expression.Rune)
	case syntax.OpCapture, syntax.OpConcat:
		return sequences(expression.Sub)
	case syntax.OpAlternate:
		return alternatives(expression.Sub)
	case syntax.OpQuest:
		found, ok := words(expression.Sub[0])
		return append(found, ""), ok
	default:
		return nil, false
	}
}

func alternatives(parts []*syntax.Regexp) ([]string, bool) {
	var found []string
	for _, part := range parts {
		more, ok := words(part)
		if !ok || len(found)+len(more) > maxWords {
			return nil, false
		}
		found = append(found, more...)
	}
	return found, true
}

// letters of a class, given as ranges from and to.
func letters(ranges []rune) ([]string, bool) {
	var found []string
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i+1]-ranges[i] > maxWords {
			return nil, false
		}
		for letter := ranges[i]; letter <= ranges[i+1]; letter++ {
			found = append(found, string(letter))
		}
	}
	return found, len(found) <= maxWords
}
