"""The small program that shuts a process in before the plugin's runtime takes it over.

It runs by itself (`python -I -S`, with the standard library and nothing else of Jackfield), so its modules import one
another relatively. It is told what to do by one JSON argument, puts each layer of defence around itself as far as the
kernel and its rights allow, reports which are active, and becomes the program with `exec`.
"""
