package box

import "time"

// lives are the days for which a relay may be asked to hold a cell.
var lives = [...]uint32{1, 3, 7, 14, 21}

// DefaultLife is the life of a cell in days unless there is a reason for another.
const DefaultLife = 14

// LifeFor returns the shortest life of a cell, in days, that is not less than d, or
// the longest there is. Source: docs/spec/box.md 2.
func LifeFor(d time.Duration) uint32 {
	for _, l := range lives {
		if d <= time.Duration(l)*24*time.Hour {
			return l
		}
	}
	return lives[len(lives)-1]
}

// Day returns the day of a time: days since 1970 UTC, 0 for what was before.
func Day(t time.Time) uint32 { return uint32(max(t.Unix(), 0) / (24 * 3600)) }

// ExpiryDay returns the last day of a cell that is sealed now and is to live so many
// days: it lives to the end of that day, so never less. Source: docs/spec/box.md,
// BX-06.
func ExpiryDay(now time.Time, life uint32) uint32 { return Day(now) + life }

// AllowedExpiry reports whether a relay whose day it is may hold a cell until a day:
// it is not over, and not further away than the longest life and [ClockSlack]. Any day
// between is allowed, since a relay may get a cell when it is days old. Source:
// docs/spec/box.md, BX-06.
func AllowedExpiry(today, expiry uint32) bool {
	return expiry >= today && expiry-today <= lives[len(lives)-1]+ClockSlack
}
