"""The other end of WS-DSP: takes images and delivers them. Never the job engine."""
