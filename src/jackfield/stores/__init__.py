"""What Jackfield keeps: control objects, audit, usage, traces and worker states, in a database chosen by
URL."""
