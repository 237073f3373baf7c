package browser

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPage_files tells the story of media.mjs: albums, a film of 200 MB played before it
// is there, pausing and cancelling, files that are not what they say, drafts.
func TestPage_files(t *testing.T) {
	film := filepath.Join(t.TempDir(), "concert.mp4")
	tell(t, "media.mjs", func() []string {
		// Noise does not compress: 40 seconds of it are 200 MB.
		make := exec.CommandContext(t.Context(), "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=40", "-vf", "noise=alls=90:allf=t",
			"-c:v", "libx264", "-preset", "ultrafast", "-qp", "20", "-g", "25", "-pix_fmt", "yuv420p", "-movflags", "+faststart", film)
		if out, err := make.CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v\n%s", err, out)
		}
		return []string{film}
	}, "ffmpeg")
}
